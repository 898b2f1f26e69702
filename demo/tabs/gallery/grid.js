// A grid of results: buttons that delete one, and a viewer that shows one at a time, large, beside its original.

const SWIPE = 40; // pixels that a finger moves sideways to leaf on

const viewer = document.createElement('dialog');
viewer.className = 'viewer';
viewer.setAttribute('aria-label', phrase('gallery.viewer'));
viewer.innerHTML = `
  <form method="dialog"><button class="viewer-close" aria-label="${phrase('gallery.close')}">×</button></form>
  <div class="viewer-pictures">
    <figure><img alt=""><figcaption>${phrase('before')}</figcaption></figure>
    <figure><img alt=""><figcaption>${phrase('after')}</figcaption></figure>
  </div>
  <div class="viewer-bar">
    <button type="button" data-step="-1" aria-label="${phrase('gallery.previous')}">‹</button>
    <p aria-live="polite"></p>
    <button type="button" data-step="1" aria-label="${phrase('gallery.next')}">›</button>
  </div>`;
element.closest('.contain').append(viewer); // where rules within media queries hold, before which gradio puts it
let shown = 0; // number of the result in the viewer
let pressedAt = null; // where a finger came down

const results = () => [...element.querySelectorAll('li:not(.gone, .failed)')];

function show(number) {
  const items = results();
  if (!items.length) return viewer.close();
  shown = (number + items.length) % items.length;
  const [after, before] = items[shown].querySelectorAll('.flip img');
  const [left, right] = viewer.querySelectorAll('img');
  Object.assign(left, { src: before.src, alt: before.alt });
  Object.assign(right, { src: after.src, alt: after.alt });
  viewer.querySelector('p').textContent = `${after.alt} (${shown + 1} / ${items.length})`;
  viewer.querySelectorAll('[data-step]').forEach((button) => (button.hidden = items.length < 2));
}

element.addEventListener('click', (event) => {
  const button = event.target.closest('button[data-key]');
  if (button) trigger('click', { key: button.dataset.key });
  const link = event.target.closest('a[target]');
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return; // which ask for a tab of its own
  event.preventDefault();
  viewer.showModal();
  show(results().indexOf(link.closest('li')));
});
// A picture that is gone on the server is shown no more.
element.addEventListener('error', (event) => event.target.closest?.('li')?.classList.add('gone'), true);

viewer.addEventListener('click', (event) => {
  const button = event.target.closest('[data-step]');
  if (button) show(shown + Number(button.dataset.step));
  else if (event.target === viewer) viewer.close(); // beside it
});
viewer.addEventListener('keydown', (event) => {
  const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
  if (step) show(shown + step);
});
viewer.addEventListener('pointerdown', (event) => (pressedAt = event.pointerType === 'touch' ? event.clientX : null));
viewer.addEventListener('pointerup', (event) => {
  const moved = pressedAt === null ? 0 : event.clientX - pressedAt;
  if (Math.abs(moved) > SWIPE) show(shown - Math.sign(moved));
});
