// Package transcript is the file that an exported conversation is: text for
// people, JSON Lines for programs, or a page for browsers, each with the signed
// events it shows, so that anybody can check it later without p2pchat's store.
//
// A document is a [Header] and events in the order of display. The header is the
// exporter's word: how people are called, what the room was called, when it was
// exported. What was said, when and by which key is in the events. [Parse] reads
// any of the three forms, [Document.Verify] checks the signatures and chains. Since
// a form is a function of the document, a file whose readable part was changed is
// not what the document renders to: [Check] does all of this.
//
// Forms:
//
//   - text: the line "p2pchat transcript 1", the header as a line of JSON, an empty
//     line, then for each event what it says (further lines of a text indented by
//     "  | ") and a line "  ~ " with the event, a protobuf Event in base64.
//   - jsonl: the header with "p2pchat_transcript":1, then an object for each event.
//   - html: one page without scripts or links to elsewhere; the document stands in
//     it once more, as JSON in an element that browsers don't show.
//
// What was taken back is an event without its body, which shows that something was
// said, and not what. A signature is good without the body too: one that lacks it
// though nothing in the document takes it back is shown as missing, and counted. What
// a moderator takes back is asked of the room's rules, so the document has the whole
// of its control lane.
package transcript
