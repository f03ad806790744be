use super::{Glance, View};

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
    let index = view.random(len);
    if view.load(index).is_some() {
        return Some(index);
    }
    sample_further(view, len)
}

#[cold]
fn sample_further<T, V: View<T>>(view: &V, len: usize) -> Option<usize> {
    for _ in 1..DRAWS {
        let index = view.random(len);
        if view.load(index).is_some() {
            return Some(index);
        }
    }
    walk(view, view.random(len)).next().map(|(index, _)| index)
}

/// The lowest score among `draws` random members, two of them distinct if there are two. `score` gets the index and
/// what is seen of the member.
#[inline(always)]
pub fn sample_least<T, V: View<T>>(
    view: &V,
    draws: usize,
    mut score: impl FnMut(usize, Glance) -> f32,
) -> Option<usize> {
    let len = view.len();
    if len < 2 || draws < 2 {
        return sample(view);
    }
    let (first, second) = view.random_pair(len);
    let (Some(one), Some(other)) = (view.glance(first), view.glance(second)) else {
        return sample_least_of_open(view, draws, score);
    };
    let (mut best, mut lowest) = (first, score(first, one));
    let rival = score(second, other);
    if rival < lowest || lowest.is_nan() {
        (best, lowest) = (second, rival);
    }
    for _ in 2..draws {
        let index = view.random(len);
        if let Some(seen) = view.glance(index) {
            let rival = score(index, seen);
            if rival < lowest || lowest.is_nan() {
                (best, lowest) = (index, rival);
            }
        }
    }
    Some(best)
}

/// As many draws among members some of which are closed.
#[cold]
fn sample_least_of_open<T, V: View<T>>(
    view: &V,
    draws: usize,
    mut score: impl FnMut(usize, Glance) -> f32,
) -> Option<usize> {
    argmin((0..draws).filter_map(|_| {
        let index = sample(view)?;
        Some((index, score(index, view.glance(index)?)))
    }))
}

/// The lowest score among all members, from a random place on, so that equals share. `score` gets the index and what is
/// seen of the member.
#[inline(always)]
pub fn scan_least<T, V: View<T>>(
    view: &V,
    mut score: impl FnMut(usize, Glance) -> f32,
) -> Option<usize> {
    let len = view.len();
    if len == 0 {
        return None;
    }
    argmin(walk(view, view.random(len)).map(|(index, seen)| (index, score(index, seen))))
}

/// The members that may be picked, from `start` on and around.
#[inline(always)]
fn walk<T, V: View<T>>(view: &V, start: usize) -> impl Iterator<Item = (usize, Glance)> {
    (start..view.len())
        .chain(0..start)
        .filter_map(|index| view.glance(index).map(|seen| (index, seen)))
}
