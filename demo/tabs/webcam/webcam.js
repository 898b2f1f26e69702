// The live view. Sends the camera's newest frame to the server, one at a time, and draws what comes back.
// gradio runs this with `element`, the component's own, `server`, the Python functions, and `trigger`, for its events.

const LONGEST_SIDE = 640; // pixels of a frame that is sent
const JPEG_QUALITY = 0.85;
const PATIENCE = 10000; // ms for an answer
const DARK_AFTER = 10000; // ms in a hidden tab, after which the camera goes off
const SILENT_AFTER = 5000; // ms without a picture from the camera
const NO_FACE_AFTER = 2000; // ms without a face, after which a hint is given
const REMARK = 3000; // ms that something remarkable is to be read
const MEASURED = 2000; // ms that the read-out looks back

const root = element.querySelector('.webcam');
const find = (selector) => root.querySelector(selector);
const [canvas, video, form, said, readout] = ['canvas', 'video', 'form', '.webcam-said', '.webcam-readout'].map(find);
const button = Object.fromEntries([...root.querySelectorAll('[data-do]')].map((item) => [item.dataset.do, item]));
const sent = document.createElement('canvas'); // the frame as it is sent
const picture = new Image(); // the frame as it came back
const marks = new Map(); // chain -> what a PNG says of it
let state = 'idle';
let run = 0; // what belongs to an earlier run ends by itself
let camera = null; // MediaStream
let token = null; // of the stream
let ticket = null; // of the place in line
let clip = null;
let drawn = null; // the chain of the picture on the canvas
let fresh = false; // the camera has a picture that was not sent yet
let wake = () => {}; // ends a pause early
let noticed = () => {}; // ends the wait for a picture of the camera
let darkness = 0; // timers
let glance = 0;
let [faceSeen, sayUntil] = [0, 0];
let measured = []; // [when drawn, latency], in ms

const within = (ms, keep) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  keep(() => { clearTimeout(timer); done(); });
});
const after = (ms) => within(ms, (end) => { wake = end; });
const nextFrame = () => within(SILENT_AFTER, (end) => { noticed = end; });
const outOfSight = () => document.hidden || !root.offsetWidth;
const chain = () => [new FormData(form).get('first'), form.then.value].filter(Boolean).join('+');
// What is remarkable stays for a while.
function say(words, ms = 0) {
  const now = performance.now();
  if (!ms && now < sayUntil) return;
  sayUntil = now + ms;
  if (said.textContent !== words) said.textContent = words;
}

async function call(name, message) {
  let timer;
  const late = new Promise((done) => { timer = setTimeout(done, PATIENCE); });
  const asked = (async () => server[name](message))();
  const answer = await Promise.race([asked, late]).catch(() => undefined);
  clearTimeout(timer);
  return answer && typeof answer === 'object' ? answer : undefined; // gradio's is undefined where the call failed
}

function show(next, words) {
  const live = next === 'live';
  const focused = root.contains(document.activeElement) && document.activeElement; // as hiding it takes the focus away
  state = root.dataset.state = next;
  if (!live) {
    const [title, text, way] = MESSAGES[next];
    find('.webcam-words h2').textContent = phrase(title);
    find('.webcam-words p').textContent = words || phrase(text);
    button.start.textContent = way ? phrase(way) : '';
    button.start.hidden = !way;
    if (next !== 'lost') button.slow.hidden = true;
    say('', 1);
  }
  root.classList.toggle('webcam-busy', BUSY.includes(next));
  readout.hidden = !live;
  button.stop.disabled = !live && !BUSY.includes(next) && next !== 'paused';
  button.snapshot.disabled = !live;
  button.record.disabled = !live || !clipType();
  if (focused && (focused.disabled || !focused.offsetWidth)) {
    (live || !MESSAGES[next][2] ? button.stop : button.start).focus({ preventScroll: true });
  }
}

// --- the camera

async function start(wanted = {}) {
  const mine = ++run;
  wake();
  if (!navigator.mediaDevices?.getUserMedia) return show('insecure');
  closeCamera();
  show('asking');
  let opened;
  try {
    const size = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
    opened = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'user', ...size, ...wanted }, audio: false });
  } catch (error) {
    if (mine === run) show(FAULTS[error.name] || 'taken');
    return;
  }
  if (mine !== run) return opened.getTracks().forEach((track) => track.stop());
  camera = opened;
  const [track] = camera.getVideoTracks();
  track.addEventListener('ended', () => { if (camera === opened) { stop('unplugged'); } });
  form.mirror.checked = track.getSettings().facingMode !== 'environment';
  video.srcObject = camera;
  video.play().catch(() => {});
  listCameras();
  if (outOfSight()) return pause();
  show('joining');
  stream(mine);
}

function closeCamera() {
  camera?.getTracks().forEach((track) => track.stop());
  camera = video.srcObject = null;
}

function stop(next = 'idle') {
  run++;
  wake();
  clearTimeout(darkness);
  clip?.stop();
  closeCamera();
  leave();
  show(next);
}

function leave() {
  if (token || ticket) call('end', { token: token || ticket });
  token = ticket = null;
}

function pause() {
  run++;
  wake();
  clip?.stop();
  show('paused');
  clearTimeout(darkness);
  darkness = setTimeout(() => { closeCamera(); leave(); }, DARK_AFTER);
}

function resume() {
  clearTimeout(darkness);
  if (!camera) return start(form.camera.value ? { deviceId: form.camera.value } : {});
  video.play().catch(() => {});
  show('joining');
  stream(++run);
}

// A moment later, as gradio lays its tabs out anew, without width, whenever the window's size changes.
function look() {
  clearTimeout(glance);
  glance = setTimeout(() => {
    if (outOfSight() && ['joining', 'live', 'lost'].includes(state)) pause();
    else if (!outOfSight() && state === 'paused') resume();
  }, 300);
}

async function listCameras() {
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter((item) => item.kind === 'videoinput');
  form.camera.replaceChildren(...cameras.map((item, i) => new Option(item.label || phrase('webcam.camera_number', { number: i + 1 }), item.deviceId)));
  const current = camera?.getVideoTracks()[0].getSettings().deviceId;
  if (current) form.camera.value = current;
  button.switch.hidden = find('[data-cameras]').hidden = cameras.length < 2;
}

function noteFrame() {
  fresh = true;
  noticed();
}

function watchVideo() {
  if (video.requestVideoFrameCallback) {
    const seen = () => { noteFrame(); video.requestVideoFrameCallback(seen); };
    video.requestVideoFrameCallback(seen);
    return;
  }
  let last = -1;
  const seen = () => {
    if (video.currentTime !== last) { last = video.currentTime; noteFrame(); }
    requestAnimationFrame(seen);
  };
  requestAnimationFrame(seen);
}

// --- the stream

async function stream(mine) {
  let failures = 0;
  const lost = async () => {
    const seconds = Math.min(8, 2 ** failures++);
    show('lost', phrase('webcam.lost.text', { seconds }));
    button.slow.hidden = failures < 3;
    await after(seconds * 1000);
    if (mine === run) find('.webcam-words p').textContent = phrase('webcam.lost.again');
  };
  measured = [];
  while (mine === run) {
    if (!token) {
      const begun = await call('begin', { ticket });
      if (mine !== run) return begun?.token && call('end', { token: begun.token });
      if (!begun) { await lost(); continue; }
      ({ token = null, ticket = null } = begun);
      if (!token) {
        show('waiting', begun.error || phrase('webcam.waiting.text', begun));
        await after(3000);
        continue;
      }
      if (outOfSight()) return pause();
      faceSeen = performance.now();
    }
    fresh = fresh && video.readyState >= 2;
    if (!fresh) await nextFrame();
    if (mine !== run) return;
    if (!fresh) { say(phrase('webcam.no_picture'), REMARK); continue; }
    fresh = false;
    const time = performance.now();
    const asked = chain();
    const answer = await call('frame', {
      token, time, chain: asked, picture: grab(), strength: form.strength.valueAsNumber, nearest: form.faces.value === 'nearest',
    });
    if (mine !== run) return;
    if (!answer) { await lost(); continue; }
    failures = 0;
    if (answer.ended) { token = null; continue; }
    if ('busy' in answer) {
      if (answer.busy) say(phraseOf('webcam.busy', answer.busy), REMARK);
      await after(100);
      continue;
    }
    if (answer.error) { say(answer.error, REMARK); await after(1000); continue; }
    picture.src = answer.picture;
    try { await picture.decode(); } catch { continue; }
    if (mine !== run) return;
    drawn = asked;
    draw();
    if (state !== 'live') show('live');
    measure(time, answer.faces);
    if (answer.faces) drawCards(mine);
  }
}

function grab() {
  const scale = Math.min(1, LONGEST_SIDE / Math.max(video.videoWidth, video.videoHeight));
  const even = (length) => 2 * Math.round((length * scale) / 2); // as video encoders want it
  const [width, height] = [even(video.videoWidth), even(video.videoHeight)];
  if (sent.width !== width || sent.height !== height) Object.assign(sent, { width, height });
  sent.getContext('2d', { willReadFrequently: true }).drawImage(video, 0, 0, width, height);
  return sent.toDataURL('image/jpeg', JPEG_QUALITY);
}

function draw() {
  const both = form.view.value === 'both';
  const { width, height } = sent;
  const below = both && width > height && canvas.parentElement.offsetWidth < 560;
  const [across, down] = both ? (below ? [1, 2] : [2, 1]) : [1, 1];
  if (canvas.width !== width * across || canvas.height !== height * down) {
    Object.assign(canvas, { width: width * across, height: height * down });
  }
  root.dataset.layout = both ? (below ? 'below' : 'beside') : 'one';
  const pen = canvas.getContext('2d');
  (both ? [sent, picture] : [picture]).forEach((source, i) => {
    const [x, y] = [below ? 0 : i * width, below ? i * height : 0];
    if (form.mirror.checked) pen.setTransform(-1, 0, 0, 1, x + width, y);
    else pen.setTransform(1, 0, 0, 1, x, y);
    pen.drawImage(source, 0, 0, width, height);
  });
  pen.setTransform(1, 0, 0, 1, 0, 0);
  if (clip && drawn) {
    pen.font = '600 16px system-ui, sans-serif';
    const [altered, above] = [phrase('webcam.altered'), canvas.height - 12];
    pen.shadowColor = '#000';
    pen.shadowBlur = 4;
    pen.fillStyle = '#fff';
    pen.fillText(altered, canvas.width - pen.measureText(altered).width - 12, above);
    pen.shadowBlur = 0;
  }
  root.querySelectorAll('.webcam-tag').forEach((tag) => { tag.hidden = !both; });
}

function measure(time, faces) {
  const now = performance.now();
  measured.push([now, now - time]);
  while (measured[0][0] < now - MEASURED) measured.shift();
  root.dispatchEvent(new CustomEvent('webcamframe', { detail: { latency: now - time } }));
  if (faces !== 0) faceSeen = now;
  if (clip) return;
  if (now - faceSeen > NO_FACE_AFTER) say(phrase('webcam.no_face'));
  else if (faces === null) say(phrase('webcam.whole'));
  else if (faces) say(phraseOf('webcam.found', faces));
}

const latency = () => measured.map(([, ms]) => ms).sort((a, b) => a - b)[measured.length >> 1];

setInterval(() => {
  if (state !== 'live' || measured.length < 2) return;
  const rate = ((measured.length - 1) * 1000) / (measured.at(-1)[0] - measured[0][0]);
  readout.textContent = phrase('webcam.readout', { rate: rate.toFixed(rate < 10 ? 1 : 0), milliseconds: latency().toFixed(0) });
}, 500);

// --- events

const does = {
  start: () => {
    if (state === 'waiting') stop();
    else if (state === 'paused') resume();
    else if (state === 'lost') wake();
    else { fillChoices(); start(); }
  },
  stop: () => stop(),
  snapshot,
  record,
  switch: () => {
    form.camera.selectedIndex = (form.camera.selectedIndex + 1) % form.camera.length;
    start({ facingMode: undefined, deviceId: { exact: form.camera.value } });
  },
  slow: () => { stop(); trigger('slow_mode'); },
};
Object.entries(button).forEach(([name, item]) => item.addEventListener('click', () => does[name]()));
form.addEventListener('submit', (event) => event.preventDefault());
form.camera.addEventListener('change', () => {
  if (camera) start({ facingMode: undefined, deviceId: { exact: form.camera.value } });
});
form.strength.addEventListener('input', () => {
  find('[data-percent]').textContent = `${Math.round(form.strength.value * 100)} %`;
});
form.addEventListener('change', () => { if (state === 'live') draw(); });
document.addEventListener('visibilitychange', look);
new ResizeObserver(look).observe(root); // another tab of this page hides it without hiding the document
window.addEventListener('online', () => { if (state === 'lost') wake(); });
window.addEventListener('pagehide', () => { closeCamera(); leave(); });
navigator.mediaDevices?.addEventListener?.('devicechange', () => { if (camera) listCameras(); });
watchVideo();
show(navigator.mediaDevices?.getUserMedia ? 'idle' : 'insecure');
fillChoices();
