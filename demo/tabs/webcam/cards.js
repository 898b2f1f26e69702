// The cards of the directions: the example's face until the camera shows one, then that.

const CARDS_EVERY = 15000; // ms between two looks of the own face on the cards; every 5 s it took a tenth of the frames
const FLUENT = 400; // ms of latency, above which the server has better to do than cards
let cardPictures = {}; // step -> address of the own face, once there was one
let cardsAt = -Infinity; // when they were asked for

async function fillChoices() {
  const answer = await call('offer', {});
  if (!answer?.choices) return setTimeout(fillChoices, 3000);
  const choices = [[phrase('webcam.none_chosen'), ''], ...answer.choices];
  const [first, then] = [new FormData(form).get('first') ?? answer.chosen, form.then.value];
  const pills = choices.map(([words, step]) => {
    const [label, input, text] = ['label', 'input', 'span'].map((name) => document.createElement(name));
    Object.assign(input, { type: 'radio', name: 'first', value: step, checked: step === first });
    text.textContent = words;
    const address = cardPictures[step] ?? answer.pictures?.[step];
    if (address) text.prepend(Object.assign(new Image(96, 96), { src: address, alt: '' }));
    label.append(input, text);
    return label;
  });
  find('[data-choices]').replaceChildren(...pills);
  form.then.replaceChildren(...[[phrase('nothing_more'), ''], ...answer.thens].map(([words, step]) => new Option(words, step)));
  form.then.value = answer.thens.some(([, step]) => step === then) ? then : '';
}

// The own face in every direction. Beside the stream, which does not wait for it.
async function drawCards(mine) {
  const now = performance.now();
  if (now - cardsAt < CARDS_EVERY || now - measured[0][0] < MEASURED / 2 || latency() > FLUENT) return;
  cardsAt = now;
  const answer = await call('cards', { token, picture: sent.toDataURL('image/jpeg', JPEG_QUALITY) });
  if (mine !== run || !answer?.pictures) return;
  cardPictures = { ...cardPictures, ...answer.pictures };
  root.querySelectorAll('[name=first]').forEach((input) => {
    const face = input.parentElement.querySelector('img');
    if (face && cardPictures[input.value]) face.src = cardPictures[input.value];
  });
}
