// What the live view says in each of its states: keys of the title, the text, and the button where there is a way on.

const AGAIN = 'webcam.again';
const MESSAGES = {
  idle: ['webcam.idle.title', 'webcam.idle.text', 'webcam.start'],
  asking: ['webcam.asking.title', 'webcam.asking.text'],
  joining: ['webcam.joining.title', 'webcam.joining.text'],
  waiting: ['webcam.waiting.title', 'webcam.waiting.text', 'webcam.waiting.way'],
  paused: ['webcam.paused.title', 'webcam.paused.text', 'webcam.paused.way'],
  refused: ['webcam.refused.title', 'webcam.refused.text', AGAIN],
  none: ['webcam.none.title', 'webcam.none.text', AGAIN],
  taken: ['webcam.taken.title', 'webcam.taken.text', AGAIN],
  unplugged: ['webcam.unplugged.title', 'webcam.unplugged.text', 'webcam.unplugged.way'],
  insecure: ['webcam.insecure.title', 'webcam.insecure.text'],
  lost: ['webcam.lost.title', 'webcam.lost.text', 'webcam.lost.way'],
};
const BUSY = ['asking', 'joining', 'waiting', 'lost']; // something goes on by itself
const FAULTS = {
  NotAllowedError: 'refused', SecurityError: 'refused', NotFoundError: 'none', OverconstrainedError: 'none',
  NotReadableError: 'taken', AbortError: 'taken',
};
