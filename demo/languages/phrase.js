// The page's words in the browser's language, for this project's own JavaScript and HTML: see phrases.py.

{
  const all = window.gradio_config.i18n_translations;
  const wanted = navigator.language || 'en';
  const language = [wanted, wanted.split('-')[0]].find((name) => name in all) ?? 'en'; // gradio's own rule
  document.documentElement.lang = language;
  window.phrase = (key, values = {}) => all[language][key].replace(/\{(\w+)\}/g, (_, name) => values[name]);
  window.phraseOf = (key, count) => phrase(`${key}.${count === 1 ? 'one' : 'many'}`, { count });
}
