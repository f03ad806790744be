//! What is said.

use std::fmt::Write;

use fastrand::Rng;

/// How many words of a prompt are repeated.
const QUOTED_WORDS: usize = 12;
/// How many bytes of a tool's result are repeated.
const QUOTED_BYTES: usize = 200;
/// The longest piece that goes as one, in bytes.
const PIECE: usize = 24;

/// What it says when it has said what it is.
const SENTENCES: [&str; 16] = [
    "A campanile is a tower that was built for its bells.",
    "Many of them stand a little apart from the church that they ring for.",
    "Some lean, and one of those is better known than all that stand upright.",
    "A bell is struck once, and is heard for a long time.",
    "Its lowest note lasts longest, and the one that names it is not in it at all.",
    "Ringers change places by rules, and no order is rung twice.",
    "With seven bells that is five thousand and forty changes, or three hours.",
    "A bell that is out of tune is turned on a lathe, and never filed.",
    "Whoever builds a tower asks first what it shall stand on.",
    "From the top one sees who is coming, and that is what the first towers were for.",
    "The clock came later, and the time of a town was that of its bell.",
    "A large bell is slow to start, and as slow to stop.",
    "Several small ones ring more often, and one that is cracked is left out.",
    "When the wind is right, the next village hears them too.",
    "It takes one rope to ring a bell, and a week to learn it.",
    "Nothing of this was thought by anybody: it was drawn by lot.",
];

/// How many tokens a text has: one for every four bytes that were begun.
pub(super) const fn tokens(text: &str) -> usize {
    text.len().div_ceil(4)
}

/// An answer of about so many words to what was said last, and by whom.
pub(super) fn answer(name: &str, role: &str, said: &str, words: usize, rng: &mut Rng) -> String {
    let mut text = match role {
        "tool" | "function" => {
            format!("[simulated by {name}] The tool says: {}.", shortened(said))
        }
        // What broke off elsewhere is to go on here.
        "assistant" => format!(" [goes on, simulated by {name}]"),
        _ => format!(
            "[simulated by {name}] You said: \"{}\". No model has read it: what follows is made up.",
            quoted(said)
        ),
    };
    let mut count = text.split_whitespace().count();
    let mut order: Vec<usize> = (0..SENTENCES.len()).collect();
    rng.shuffle(&mut order);
    for sentence in order.into_iter().cycle().map(|at| SENTENCES[at]) {
        if count >= words {
            break;
        }
        count += sentence.split(' ').count();
        // Writing to a text does not fail.
        let _ = write!(text, " {sentence}");
    }
    text
}

/// Its first words.
fn quoted(said: &str) -> String {
    let mut words = said.split_whitespace();
    let mut text = String::new();
    for word in words.by_ref().take(QUOTED_WORDS) {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(shortened(word));
    }
    if words.next().is_some() {
        text.push_str(" ...");
    }
    text
}

/// No more of it than a line or two.
fn shortened(said: &str) -> &str {
    &said[..boundary(said, QUOTED_BYTES)]
}

/// The last place in a text, up to so many bytes, where no letter is cut in two.
fn boundary(text: &str, most: usize) -> usize {
    let mut at = most.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

/// Takes off what goes beyond a number of tokens, or what comes from a stop on; and says whether the number was the cause.
pub(super) fn cut(text: &mut String, limit: usize, stops: &[String]) -> bool {
    let stops = stops.iter().filter(|stop| !stop.is_empty());
    if let Some(at) = stops.filter_map(|stop| text.find(stop.as_str())).min() {
        text.truncate(at);
    }
    let most = limit.saturating_mul(4);
    let beyond = text.len() > most;
    if beyond {
        text.truncate(boundary(text, most));
    }
    beyond
}

/// The length of the first piece of a text: a word with the white space before it, if it is not too long.
pub(super) fn piece(text: &str) -> usize {
    let word = text.len() - text.trim_start().len();
    let space = text[word..].find(char::is_whitespace);
    let end = space.map_or(text.len(), |space| word + space);
    match boundary(text, PIECE) {
        most if end > most && most > 0 => most,
        _ => end,
    }
}

/// How many pieces a text has.
pub(super) fn pieces(mut text: &str) -> usize {
    let mut count = 0;
    while !text.is_empty() {
        text = &text[piece(text)..];
        count += 1;
    }
    count
}
