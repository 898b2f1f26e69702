// What visitors keep of the live view (webcam.js): pictures and short clips of its canvas, made here in the browser.

const CLIP_SECONDS = 5;
const PNG_HEAD = 33; // bytes of a PNG's signature and header; what it says of itself may follow
// The first that the browser can write: MP4 is what phones and messengers open.
const CLIP_TYPES = ['video/mp4;codecs=avc1.42E01F', 'video/mp4', 'video/webm;codecs=vp8', 'video/webm'];

function clipType() {
  const able = window.MediaRecorder && HTMLCanvasElement.prototype.captureStream;
  return able && CLIP_TYPES.find((type) => MediaRecorder.isTypeSupported(type));
}

function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
}

// The canvas as a PNG with these chunks (base64) laid in, by which the server says what altered it.
async function markedPng(canvas, chunks) {
  const plain = await new Promise((done) => canvas.toBlob(done, 'image/png'));
  const mark = Uint8Array.from(atob(chunks), (character) => character.charCodeAt(0));
  return new Blob([plain.slice(0, PNG_HEAD), mark, plain.slice(PNG_HEAD)], { type: 'image/png' });
}

// Records the canvas until `stop` is called or the seconds are over; `done` is for the file and its suffix.
function recordClip(canvas, onSecondsLeft) {
  const type = clipType();
  const pictures = canvas.captureStream(30);
  const recorder = new MediaRecorder(pictures, { mimeType: type, videoBitsPerSecond: 4e6 });
  const parts = [];
  const stop = () => recorder.state === 'recording' && recorder.stop();
  let left = CLIP_SECONDS;
  const clock = setInterval(() => (--left > 0 ? onSecondsLeft(left) : stop()), 1000);
  const done = new Promise((resolve) => {
    recorder.ondataavailable = (event) => event.data.size && parts.push(event.data);
    recorder.onerror = stop;
    recorder.onstop = () => {
      clearInterval(clock);
      pictures.getTracks().forEach((track) => track.stop());
      resolve({ blob: new Blob(parts, { type }), suffix: type.startsWith('video/mp4') ? 'mp4' : 'webm' });
    };
  });
  recorder.start();
  onSecondsLeft(left);
  return { stop, done };
}

const fileName = (chain, suffix) => `webcam-${chain.replace(/[^+]*:/g, '').replace(/[^a-z0-9]+/gi, '-') || 'untranslated'}.${suffix}`;

async function snapshot() {
  const of = drawn;
  if (of && !marks.has(of)) {
    const answer = await call('mark', { chain: of });
    if (!answer?.chunks) return say(answer?.error || phrase('webcam.mark_failed'), REMARK);
    marks.set(of, answer.chunks);
  }
  if (drawn !== of) return snapshot();
  save(await markedPng(canvas, marks.get(of) || ''), fileName(of, 'png'));
  find('.webcam-stage').animate?.([{ filter: 'brightness(1.6)' }, { filter: 'none' }], 250);
  say(phrase('webcam.snapshot_saved'), REMARK);
}

async function record() {
  if (clip) return clip.stop();
  const of = drawn;
  const fixed = [...root.querySelectorAll('[name=view], [name=camera], [data-do=switch]')];
  fixed.forEach((item) => { item.disabled = true; }); // a clip has one size
  clip = recordClip(canvas, (left) => { button.record.textContent = phrase('webcam.recording', { seconds: left }); });
  say(phrase('webcam.no_sound'), REMARK);
  root.classList.add('webcam-recording');
  const { blob, suffix } = await clip.done;
  clip = null;
  root.classList.remove('webcam-recording');
  fixed.forEach((item) => { item.disabled = false; });
  button.record.textContent = phrase('webcam.record', { seconds: CLIP_SECONDS });
  if (blob.size) save(blob, fileName(of, suffix));
  say(phrase(blob.size ? 'webcam.clip_saved' : 'webcam.clip_empty'), REMARK);
}
