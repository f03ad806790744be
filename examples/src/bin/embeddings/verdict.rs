use std::process::ExitCode;

use campanile::batch::BatchSnapshot;

use crate::callers::{Callers, End};

/// How many numbers a vector has.
pub(crate) const DIMENSIONS: usize = 384;

/// How far a number of a text's vector may be from that which the text has alone: a model rounds otherwise in a batch.
const TOLERANCE: f32 = 0.01;

/// Tells how it went, and whether it was right. Only our own server is known to answer batches sooner.
pub(crate) fn judge(
    alone: &Callers,
    together: &Callers,
    batches: &BatchSnapshot,
    own: bool,
) -> ExitCode {
    let texts = alone.ends.len();
    println!(
        "one call a text: {texts} calls, {:.2} s",
        alone.took.as_secs_f64()
    );
    println!(
        "together: {} calls for {} texts, {:.1} a call; {} callers left, {} of them before their batch went; {:.2} s",
        batches.batches,
        batches.items,
        batches.mean_size.unwrap_or(0.0),
        together.left(),
        batches.left,
        together.took.as_secs_f64(),
    );

    let mut wrong = wrong_ends(alone, together);
    let mut check = |right: bool, what: String| {
        if !right {
            wrong.push(what);
        }
    };
    check(
        together.left() > 0 && together.answered() + together.left() == texts,
        format!(
            "of {texts} callers {} were answered and {} left",
            together.answered(),
            together.left()
        ),
    );
    check(
        batches.items + batches.left == texts as u64,
        format!(
            "{} texts were sent and {} left",
            batches.items, batches.left
        ),
    );
    check(
        batches.batches * 4 <= batches.items,
        format!("{} calls for {} texts", batches.batches, batches.items),
    );
    check(
        batches.open == 0 && batches.waiting == 0,
        "something still waits".to_owned(),
    );
    check(
        !own || together.took * 2 < alone.took,
        "batches were not twice as quick".to_owned(),
    );

    for what in &wrong {
        println!("wrong: {what}");
    }
    if wrong.is_empty() {
        println!("ok");
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Each text for which something else came of the two callers than it should: the first few.
fn wrong_ends(alone: &Callers, together: &Callers) -> Vec<String> {
    let mut wrong = Vec::new();
    let mut furthest = 0.0_f32;
    for (place, ends) in alone.ends.iter().zip(&together.ends).enumerate() {
        let what = match ends {
            (End::Answered(alone), End::Answered(together)) => {
                let distance = distance(alone, together);
                furthest = furthest.max(distance);
                let right = alone.len() == DIMENSIONS && distance <= TOLERANCE;
                (!right).then(|| format!("{} numbers, {distance} apart", alone.len()))
            }
            (End::Answered(alone), End::Left) => {
                (alone.len() != DIMENSIONS).then(|| format!("{} numbers", alone.len()))
            }
            (End::Failed(error), _) | (_, End::Failed(error)) => Some(error.clone()),
            (End::Left, _) => Some("a caller that waits left".to_owned()),
        };
        wrong.extend(what.map(|what| format!("text {place}: {what}")));
    }
    println!("alone and together, a text's numbers are {furthest:.6} apart at most");
    wrong.truncate(5);
    wrong
}

/// The most that two vectors are apart in any number; infinite where they have not as many, or one is no number.
fn distance(one: &[f32], other: &[f32]) -> f32 {
    if one.len() != other.len() {
        return f32::INFINITY;
    }
    let apart = one.iter().zip(other).map(|(a, b)| (a - b).abs());
    apart.fold(0.0, |most, apart| {
        if apart <= most {
            most
        } else if apart.is_nan() {
            f32::INFINITY
        } else {
            apart
        }
    })
}
