// What the live view says in each of its states: title, text, and the button's words where there is a way on.

const AGAIN = 'Try again';
const MESSAGES = {
  idle: ['See yourself translated, live', 'Your browser asks for the camera when you start. Nothing is stored.', 'Start the camera'],
  asking: ['Waiting for the camera', 'Allow the camera in the question that your browser shows.'],
  joining: ['Connecting', 'The first picture comes in a moment.'],
  waiting: ['All places are taken', '', 'Leave the line'],
  paused: ['Paused', 'It goes on when you come back.', 'Go on'],
  refused: ['The camera is blocked', 'Allow the camera for this page, in your browser’s address bar or settings, and try again.', AGAIN],
  none: ['No camera found', 'Connect a camera, or open this page on a phone, and try again.', AGAIN],
  taken: ['The camera is in use', 'Close the other program or tab that uses it, and try again.', AGAIN],
  unplugged: ['The camera was disconnected', 'Connect it and start again.', 'Start again'],
  insecure: ['The camera needs a secure page', 'Browsers lend the camera only to addresses that begin with https://. Open this page that way.'],
  lost: ['Connection lost', '', 'Try now'],
};
const BUSY = ['asking', 'joining', 'waiting', 'lost']; // something goes on by itself
const FAULTS = {
  NotAllowedError: 'refused', SecurityError: 'refused', NotFoundError: 'none', OverconstrainedError: 'none',
  NotReadableError: 'taken', AbortError: 'taken',
};
