use super::View;

/// How often a random member is drawn anew because the one drawn is closed, before the members are walked through.
const DRAWS: usize = 8;

/// The candidate of the lowest score; the first of equals. A score that is not a number loses against every other.
#[inline]
pub fn argmin(candidates: impl IntoIterator<Item = (usize, f32)>) -> Option<usize> {
    let mut best = None;
    let mut lowest = f32::INFINITY;
    for (index, score) in candidates {
        if score < lowest || best.is_none() {
            best = Some(index);
            lowest = if score.is_nan() { f32::INFINITY } else { score };
        }
    }
    best
}

/// A random member that may be picked. While most may be, this takes one draw; otherwise it ends with a walk through
/// all of them from a random place.
#[inline]
pub fn sample<T, V: View<T>>(view: &V) -> Option<usize> {
    let len = view.len();
    if len == 0 {
        return None;
    }
    for _ in 0..DRAWS {
        let index = view.random(len);
        if view.load(index).is_some() {
            return Some(index);
        }
    }
    walk(view, view.random(len)).next().map(|(index, _)| index)
}

/// The lowest score among `draws` random members, two of them distinct if there are two. `score` gets the index and
/// the calls in flight.
#[inline]
pub fn sample_least<T, V: View<T>>(
    view: &V,
    draws: usize,
    mut score: impl FnMut(usize, u32) -> f32,
) -> Option<usize> {
    let len = view.len();
    if len < 2 || draws < 2 {
        return sample(view);
    }
    let first = view.random(len);
    let second = (first + 1 + view.random(len - 1)) % len;
    let drawn = [first, second]
        .into_iter()
        .chain((2..draws).map(|_| view.random(len)))
        .filter_map(|index| view.load(index).map(|load| (index, load)))
        .map(|(index, load)| (index, score(index, load)));
    argmin(drawn).or_else(|| sample(view))
}

/// The lowest score among all members, from a random place on, so that equals share. `score` gets the index and the
/// calls in flight.
#[inline]
pub fn scan_least<T, V: View<T>>(view: &V, mut score: impl FnMut(usize, u32) -> f32) -> Option<usize> {
    let len = view.len();
    if len == 0 {
        return None;
    }
    argmin(walk(view, view.random(len)).map(|(index, load)| (index, score(index, load))))
}

/// The members that may be picked with their calls in flight, from `start` on and around.
#[inline]
fn walk<T, V: View<T>>(view: &V, start: usize) -> impl Iterator<Item = (usize, u32)> {
    (start..view.len())
        .chain(0..start)
        .filter_map(|index| view.load(index).map(|load| (index, load)))
}
