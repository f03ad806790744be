use std::ops::Deref;

use super::View;

/// What a list of candidates holds at most.
pub(super) const FEW: usize = 16;

/// A short list that lies on the stack.
#[derive(Debug, Clone, Copy)]
pub(super) struct Few<T> {
    items: [T; FEW],
    len: usize,
}

// ===== impl Few =====

impl<T: Copy + Default> Few<T> {
    pub(super) fn new() -> Self {
        Self {
            items: [T::default(); FEW],
            len: 0,
        }
    }

    /// Adds an item, unless the list is full.
    pub(super) fn push(&mut self, item: T) {
        if let Some(place) = self.items.get_mut(self.len) {
            *place = item;
            self.len += 1;
        }
    }
}

impl<T> Deref for Few<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items[..self.len]
    }
}

/// Open members with their calls in flight: all of a pool of 16 at most, otherwise `count` random ones, each once. Fewer
/// where many are closed.
pub(super) fn draw<T, V: View<T>>(view: &V, count: usize) -> Few<(usize, u32)> {
    let mut drawn = Few::new();
    let len = view.len();
    if len == 0 {
        return drawn;
    }
    if len <= FEW {
        // From a random place on, so that equals share.
        let start = view.random(len);
        for index in (start..len).chain(0..start) {
            if let Some(load) = view.load(index) {
                drawn.push((index, load));
            }
        }
        return drawn;
    }
    draw_random(view, count, drawn)
}

/// As [`draw`], but no more than `count` of a small pool either.
pub(super) fn draw_at_most<T, V: View<T>>(view: &V, count: usize) -> Few<(usize, u32)> {
    if view.len() <= count.min(FEW) {
        return draw(view, count);
    }
    draw_random(view, count, Few::new())
}

fn draw_random<T, V: View<T>>(
    view: &V,
    count: usize,
    mut drawn: Few<(usize, u32)>,
) -> Few<(usize, u32)> {
    let count = count.min(FEW);
    for _ in 0..4 * count {
        if drawn.len() == count {
            break;
        }
        let index = view.random(view.len());
        if let Some(load) = view.load(index)
            && drawn.iter().all(|(other, _)| *other != index)
        {
            drawn.push((index, load));
        }
    }
    drawn
}
