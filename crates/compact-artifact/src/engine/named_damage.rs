//! A list of damage in which nothing stands twice.

use std::collections::HashSet;

use crate::api::damage::Damage;

/// What a list of damage has, so that looking for it costs the same however long the list is.
#[derive(Debug, Default)]
pub(super) struct NamedDamage {
    known: HashSet<Damage>,
    /// So many of the list are in `known`.
    seen: usize,
}

impl NamedDamage {
    /// Puts damage at the end of the list, unless it is there. The list is the same one in every call, and others may have put damage at its end meanwhile.
    pub(super) fn add(&mut self, damage: Damage, list: &mut Vec<Damage>) {
        self.known.extend(list.iter().skip(self.seen).cloned());
        if !self.known.contains(&damage) {
            self.known.insert(damage.clone());
            list.push(damage);
        }
        self.seen = list.len();
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn damage_is_named_once_and_in_the_order_in_which_it_was_met() {
        let damage = |n: u32| Damage::new(format!("record {n}"));
        let (mut named, mut list) = (NamedDamage::default(), vec![damage(3), damage(3)]);
        for n in [3, 1, 2, 1] {
            named.add(damage(n), &mut list);
        }
        list.push(damage(0)); // by somebody else
        for n in [0, 4, 3, 2] {
            named.add(damage(n), &mut list);
        }
        named.add(damage(1).in_shard(7), &mut list);
        let expected =
            [damage(3), damage(3), damage(1), damage(2), damage(0), damage(4), damage(1).in_shard(7)];
        assert_eq!(list, expected);
    }

    #[test]
    fn naming_damage_takes_no_longer_when_much_was_named_before() {
        let (mut named, mut list) = (NamedDamage::default(), Vec::new());
        let begun = Instant::now();
        // Each compared with all before takes minutes.
        (0..200_000).for_each(|n| named.add(Damage::new(format!("record {n:06}")), &mut list));
        assert_eq!(list.len(), 200_000);
        assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    }
}
