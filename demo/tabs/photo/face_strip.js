// Builds the list of faces from `props.value` (see face_strip.py) and writes what is chosen back into it.
const list = element.querySelector('ol');
let photo = null, chosen = [], marked = 0, cards = [];

function make(tag, properties, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

function store() {
  props.value = { ...props.value, chosen: [...chosen], marked };
}

function choice(index, choices) {
  const words = [['As chosen for all', ''], ['Leave as it is', 'leave'], ...choices];
  const select = make('select', {}, ...words.map(([text, value]) => make('option', { value, textContent: text })));
  select.setAttribute('aria-label', `Translation of face ${index + 1}`);
  select.addEventListener('change', () => {
    chosen[index] = select.value;
    store();
    trigger('input');
  });
  return select;
}

function mark(index) {
  const radio = make('input', { type: 'radio', name: `marked-${photo}`, value: index });
  radio.setAttribute('aria-label', `Compare with face ${index + 1}`);
  radio.addEventListener('change', () => {
    marked = index;
    store();
  });
  return make('label', { className: 'mark', title: 'The face that “Compare all” takes' }, radio, 'Compare');
}

function card(index, face, choices, alone) {
  const name = `Face ${index + 1}`;
  const before = make('img', { src: face.before, alt: `${name}, before` });
  const after = make('img', { alt: `${name}, after`, hidden: true });
  const radio = mark(index);
  radio.hidden = alone;
  const select = choice(index, choices);
  const head = make('div', { className: 'head' }, make('span', { textContent: name }), radio);
  const item = make('li', {}, head, make('div', { className: 'pair' }, before, after), select);
  list.append(item);
  return { item, after, select, radio: radio.firstChild };
}

function render() {
  const value = props.value;
  if (!value?.faces) {
    photo = null;
    list.replaceChildren();
    return;
  }
  const same = value.photo === photo;
  if (!same) {
    photo = value.photo;
    list.replaceChildren();
    cards = value.faces.map((face, index) => card(index, face, value.choices, value.faces.length === 1));
  }
  if (!same || !value.keep) {
    chosen = [...value.chosen];
    marked = value.marked;
  } else if (marked !== value.marked || chosen.some((step, index) => step !== value.chosen[index])) {
    store();
  }
  cards.forEach(({ item, after, select, radio }, index) => {
    const address = value.faces[index].after;
    after.hidden = !address;
    if (address) after.src = address;
    select.value = chosen[index];
    radio.checked = marked === index;
    item.classList.toggle('left', chosen[index] === 'leave');
  });
}

watch('value', render);
render();
