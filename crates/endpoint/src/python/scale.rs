//! How many workers a deployment should have: more at once when they are busy, fewer only after a while.

use domain::ScaleSettings;

/// Decisions for fewer workers, one after another, until one worker is let go.
const PATIENCE: u32 = 3;

/// What is remembered between decisions.
#[derive(Debug, Default)]
pub(super) struct Scale {
    quiet: u32,
}

impl Scale {
    /// The number of workers, from the calls inside on average (waiting ones too) and the calls one worker takes at once.
    pub(super) fn decide(&mut self, settings: &ScaleSettings, now: u32, (busy, slots): (f64, u32)) -> u32 {
        let share = f64::from(settings.target_utilization_percentage) / 100.0;
        let needed = (busy / (share * f64::from(slots.max(1)))).ceil();
        let needed = (settings.min_instances..=settings.max_instances)
            .find(|count| f64::from(*count) >= needed)
            .unwrap_or(settings.max_instances);
        if needed >= now {
            self.quiet = 0;
            return needed;
        }
        self.quiet += 1;
        if self.quiet < PATIENCE {
            return now;
        }
        self.quiet = 0;
        now - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn up_at_once_down_one_by_one() {
        let settings = ScaleSettings { min_instances: 1, max_instances: 4, ..ScaleSettings::default() };
        let mut scale = Scale::default();
        assert_eq!(scale.decide(&settings, 1, (0.5, 1)), 1);
        assert_eq!(scale.decide(&settings, 1, (0.8, 1)), 2);
        assert_eq!(scale.decide(&settings, 2, (2.0, 1)), 3);
        assert_eq!(scale.decide(&settings, 2, (90.0, 1)), 4);
        assert_eq!(scale.decide(&settings, 2, (2.0, 4)), 2, "1 would do");
        let counts: Vec<u32> = (0..8)
            .scan(4, |now, _| {
                *now = scale.decide(&settings, *now, (0.0, 1));
                Some(*now)
            })
            .collect();
        assert_eq!(counts, [4, 3, 3, 3, 2, 2, 2, 1]);
        assert_eq!(scale.decide(&settings, 1, (0.0, 1)), 1);
    }
}
