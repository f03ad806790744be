use super::index::WAYS;

/// Members that hold a part of a prompt: their number, and how many chunks.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Holders {
    members: [(u16, usize); WAYS],
    len: usize,
}

// ===== impl Holders =====

impl Holders {
    pub(super) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(super) fn set(&mut self, member: u16, count: usize) {
        let known = &mut self.members[..self.len];
        if let Some(holder) = known.iter_mut().find(|(known, _)| *known == member) {
            holder.1 = count;
        } else if let Some(place) = self.members.get_mut(self.len) {
            *place = (member, count);
            self.len += 1;
        } else if let Some(least) = self.members.iter_mut().min_by_key(|(_, count)| *count) {
            // Whoever holds more is worth more.
            *least = (member, count);
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (u16, usize)> {
        self.members[..self.len].iter().copied()
    }

    pub(super) fn count(&self, member: u16) -> usize {
        let mut found = self.iter().filter(|(known, _)| *known == member);
        found.next().map_or(0, |(_, count)| count)
    }
}
