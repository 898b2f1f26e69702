// The Photo tab. Renders `props.value` (see view.py and actions.py) and sends each choice to the server at once.
// gradio runs this with `element`, `props`, `watch`, `trigger` for events, and `upload` for files.

const root = element.querySelector('.photo');
const find = (selector) => root.querySelector(selector);
const [frame, before, after, slide, status] = ['.photo-frame', '.photo-before', '.photo-after', '.photo-slide', '.photo-status'].map(find);
const [facesList, cardsList, more, options, save] = ['.photo-faces', '.photo-cards', '.photo-more', '.photo-options', '.photo-save'].map(find);
const file = find('.photo-choose input');
const [button, share] = save.querySelectorAll('button');
let view = null; // the last whole value
let hasChosen = false; // a direction
let opening = 0; // counts photos, so that a late upload does not replace a newer one
let preview = null; // address of the photo that is being opened, made here

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function busy(words) {
  root.dataset.state = 'busy';
  if (words) status.textContent = words;
}

function settle() {
  root.dataset.state = view?.photo ? 'photo' : 'example';
  status.textContent = view?.status ?? '';
}

// A picture is loaded before it is shown, so that nothing flickers.
async function swap(image, address) {
  image.dataset.wanted = address;
  const next = new Image();
  next.src = address;
  try { await next.decode(); } catch { return false; }
  if (image.dataset.wanted === address) image.src = address;
  return true;
}

function choices() {
  return { strength: options.strength.valueAsNumber, then: options.then.value };
}

// A new photo begins in the direction that was chosen for the last one, or else in one that the server finds for it.
function wanted() {
  return hasChosen && view?.step ? { step: view.step } : {};
}

// --- requests, one after the other
// gradio would send an event that has to wait with the data of the one it waits for, so events wait here.

const waiting = []; // pairs of an event and its data; the first is under way

function send(name, data) {
  if (name === 'open_photo') waiting.splice(1); // what was chosen for the last photo
  if (name === 'strengthen' && waiting.length > 1 && waiting.at(-1)[0] === name) waiting.pop();
  waiting.push([name, data]);
  if (waiting.length === 1) trigger(name, data);
}

function sent() {
  waiting.shift();
  if (waiting.length) trigger(...waiting[0]);
}

// --- opening a photo

async function open(chosen) {
  const mine = ++opening;
  busy(phrase('photo.looking'));
  if (preview) URL.revokeObjectURL(preview);
  preview = URL.createObjectURL(chosen);
  const picture = new Image();
  picture.src = preview;
  picture.decode().then(() => {
    if (mine !== opening || root.dataset.state !== 'busy') return;
    setRatio(picture.naturalWidth / picture.naturalHeight);
    after.hidden = true;
    before.dataset.wanted = before.src = preview;
  }, () => {}); // HEIC, which browsers do not show; the server does
  try {
    const { path } = await upload(chosen);
    if (mine === opening) send('open_photo', { path, ...wanted(), ...choices() });
  } catch {
    if (mine !== opening) return;
    status.textContent = phrase('photo.upload_failed');
    root.dataset.state = 'photo';
  }
}

function openExample(example, step = wanted()) {
  opening++;
  busy(phrase('photo.looking'));
  send('open_photo', { example, ...step, ...choices() });
}

file.addEventListener('change', () => {
  if (file.files[0]) open(file.files[0]);
  file.value = ''; // so that the same photo can be chosen again
});
root.querySelectorAll('[data-example]').forEach((item) => {
  item.addEventListener('click', () => openExample(Number(item.dataset.example)));
});

const visible = () => root.isConnected && root.offsetWidth > 0;
const carriesFiles = (event) => visible() && event.dataTransfer?.types.includes('Files');
document.addEventListener('dragover', (event) => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  root.classList.add('photo-dragged');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) root.classList.remove('photo-dragged');
});
document.addEventListener('drop', (event) => {
  root.classList.remove('photo-dragged');
  if (!carriesFiles(event)) return;
  event.preventDefault();
  if (event.dataTransfer.files[0]) open(event.dataTransfer.files[0]);
});
document.addEventListener('paste', (event) => {
  const pasted = [...(event.clipboardData?.files ?? [])].find((item) => item.type.startsWith('image/'));
  if (visible() && pasted) open(pasted);
});

// --- choices

function edit(changes) {
  if (!view) return;
  if (!view.photo) return openExample(view.example, { step: changes.step ?? view.step });
  busy();
  view.face = changes.face ?? view.face; // at once, so that a card clicked meanwhile is for this face
  send('edit', { face: view.face, ...choices(), ...changes });
}

function card({ step, label, picture, idle }) {
  const item = make('button', { type: 'button', className: 'photo-card' });
  item.dataset.step = step;
  item.setAttribute('aria-pressed', step === view.step);
  if (picture) item.append(make('img', { src: picture, alt: '', width: 96, height: 96 }));
  item.append(make('span', { textContent: label }));
  if (idle) Object.assign(item, { className: 'photo-card photo-idle', title: phrase('photo.hardly_changes') });
  item.addEventListener('click', () => {
    root.querySelectorAll('.photo-card').forEach((other) => other.setAttribute('aria-pressed', other === item));
    hasChosen = true;
    edit({ step });
  });
  return item;
}

function face(index, picture) {
  const item = make('button', { type: 'button', className: 'photo-face' });
  item.setAttribute('aria-pressed', index === view.face);
  item.append(picture ? make('img', { src: picture, alt: phrase('photo.face', { number: index + 1 }), width: 44, height: 44 }) : phrase('photo.all_faces'));
  item.addEventListener('click', () => edit({ face: index }));
  return item;
}

// Buttons are built anew only where they differ, so that the focus stays.
function fill(list, name, items, build) {
  const key = JSON.stringify(items);
  if (list.dataset[name] === key) return;
  const focused = [...list.children].indexOf(document.activeElement);
  list.dataset[name] = key;
  list.replaceChildren(...items.map(build));
  list.children[focused]?.focus();
}

options.strength.addEventListener('input', () => {
  options.querySelector('output').textContent = `${Math.round(options.strength.value * 100)} %`;
  forget();
  if (view?.photo) send('strengthen', choices());
});
options.then.addEventListener('change', () => edit({}));
slide.addEventListener('input', () => frame.style.setProperty('--at', `${slide.value}%`));
options.addEventListener('submit', (event) => event.preventDefault());
save.addEventListener('submit', (event) => {
  event.preventDefault();
  trigger('save', wantedFile());
});
save.what.addEventListener('change', showForms);

// --- the system's share sheet

const wantedFile = () => ({ what: save.what.value, form: save.form.value, ...choices() });
let ready = null; // a file that the browser would not share, as the click was too long ago

// A moving picture is always a WebP.
function showForms() {
  save.form.closest('label').hidden = save.what.value === 'loop';
  forget();
}

function forget() {
  ready = null;
  share.textContent = phrase('photo.share');
}

function canShare() {
  try { return navigator.canShare?.({ files: [new File([''], 'photo.jpg', { type: 'image/jpeg' })] }); } catch { return false; }
}

async function shareFile(chosen) {
  forget();
  try { await navigator.share({ files: [chosen] }); } catch (error) {
    if (error.name !== 'NotAllowedError') return; // the visitor closed the sheet
    ready = chosen;
    share.textContent = phrase('photo.share_now');
  }
}

share.addEventListener('click', () => { if (ready) shareFile(ready); else trigger('share_file', wantedFile()); });
window.addEventListener('photoshare', async ({ detail }) => {
  const content = await (await fetch(detail.url)).blob();
  shareFile(new File([content], detail.orig_name, { type: content.type }));
});
share.hidden = !canShare();

// --- showing what came back

function setRatio(ratio) {
  frame.style.setProperty('--ratio', ratio);
}

function fillSelect(select, pairs, value) {
  const chosen = value ?? select.value;
  select.replaceChildren(...pairs.map(([key, label]) => new Option(label, key)));
  select.value = pairs.some(([key]) => key === chosen) ? chosen : pairs[0][0];
}

function showAfter(address) {
  root.classList.toggle('photo-unaltered', !address);
  if (!address) return;
  swap(after, address).then((shown) => { if (shown) after.hidden = false; });
}

function render() {
  const value = props.value;
  if (!value) return;
  if (!('cards' in value)) { // only drawn anew, at another strength
    if (value.photo === view?.photo && value.after) showAfter(value.after);
    return;
  }
  const isNew = value.photo !== view?.photo;
  view = value;
  if (isNew) {
    setRatio(value.ratio);
    swap(before, value.before);
    fillSelect(options.then, [['', phrase('nothing_more')], ...value.thens.map(([label, step]) => [step, label])]);
    fillSelect(save.what, value.save);
    showForms();
    save.form.value = value.form;
  }
  showAfter(value.after);
  const faces = value.faces.length > 1 ? [null, ...value.faces] : [];
  facesList.hidden = !faces.length;
  fill(facesList, 'faces', faces, (picture, index) => face(index - 1, picture));
  [...facesList.children].forEach((item, index) => item.setAttribute('aria-pressed', index - 1 === value.face));
  fill(cardsList, 'cards', value.cards, card);
  fill(more.querySelector('.photo-cards'), 'cards', value.more, card);
  more.hidden = !value.more.length;
  root.querySelectorAll('.photo-card').forEach((item) => item.setAttribute('aria-pressed', item.dataset.step === value.step));
  if (isNew) cardsList.querySelector('[aria-pressed=true]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' });
  button.disabled = share.disabled = !value.photo || !value.after;
  forget();
  if (waiting.length < 2) settle();
}

function failed() {
  sent();
  if (root.dataset.state !== 'busy' || waiting.length) return;
  if (view) {
    before.dataset.wanted = before.src = view.before;
    setRatio(view.ratio);
    showAfter(view.after);
    root.querySelectorAll('.photo-card').forEach((item) => item.setAttribute('aria-pressed', item.dataset.step === view.step));
  }
  settle();
}

window.addEventListener('photodone', sent);
window.addEventListener('photofailed', failed);
watch('value', render);
render();
