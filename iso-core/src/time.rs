//! The clocks of discs turned into one [`Timestamp`].
//! Calendar arithmetic only: the layouts that carry the fields live with their formats.

/// A point in time: seconds and nanoseconds since 1970-01-01 00:00:00 UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp {
    /// Whole seconds, negative before 1970.
    pub seconds: i64,
    /// Nanoseconds after that second, below 1 000 000 000.
    pub nanoseconds: u32,
}

/// Calendar fields as a disc records them, with the zone they are in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Calendar {
    /// Year, such as 2026.
    pub year: i64,
    /// Month 1 to 12.
    pub month: u8,
    /// Day of the month, 1 to 31.
    pub day: u8,
    /// Hour 0 to 23.
    pub hour: u8,
    /// Minute 0 to 59.
    pub minute: u8,
    /// Second 0 to 59.
    pub second: u8,
    /// Nanoseconds below one second.
    pub nanoseconds: u32,
    /// Minutes east of Greenwich.
    pub zone_minutes: i64,
}

impl Calendar {
    /// The point in time, or nothing where the fields are no date (month 0, day 32, hour 24).
    #[must_use]
    pub fn timestamp(&self) -> Option<Timestamp> {
        let in_range = (1..=12).contains(&self.month)
            && (1..=31).contains(&self.day)
            && self.hour < 24
            && self.minute < 60
            && self.second <= 60
            && (0..=9999).contains(&self.year)
            && self.zone_minutes.unsigned_abs() <= 24 * 60;
        if !in_range {
            return None;
        }
        let days = days_from_civil(self.year, i64::from(self.month), i64::from(self.day));
        let seconds = days
            .saturating_mul(86_400)
            .saturating_add(i64::from(self.hour).saturating_mul(3600))
            .saturating_add(i64::from(self.minute).saturating_mul(60))
            .saturating_add(i64::from(self.second))
            .saturating_sub(self.zone_minutes.saturating_mul(60));
        Some(Timestamp { seconds, nanoseconds: self.nanoseconds.min(999_999_999) })
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
/// The year is counted from March, so that the leap day comes last.
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the caller has bounded year to 0..=9999, month to 1..=12 and day to 1..=31"
)]
const fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_become_seconds_since_1970() {
        for (year, month, day, hour, zone, want) in [
            (1970, 1, 1, 0, 0, 0),
            (2000, 2, 29, 12, 0, 951_825_600),
            (2010, 1, 1, 1, 60, 1_262_304_000),
            (1969, 12, 31, 23, 0, -3600),
            (1900, 1, 1, 0, 0, -2_208_988_800),
        ] {
            let c = Calendar {
                year,
                month,
                day,
                hour,
                minute: 0,
                second: 0,
                nanoseconds: 0,
                zone_minutes: zone,
            };
            assert_eq!(c.timestamp().map(|t| t.seconds), Some(want), "{c:?}");
        }
    }

    #[test]
    fn fields_that_are_no_date_give_nothing() {
        let good = Calendar {
            year: 2020,
            month: 5,
            day: 5,
            hour: 5,
            minute: 5,
            second: 5,
            nanoseconds: 0,
            zone_minutes: 0,
        };
        assert!(good.timestamp().is_some());
        for bad in [
            Calendar { month: 0, ..good },
            Calendar { month: 13, ..good },
            Calendar { day: 0, ..good },
            Calendar { day: 32, ..good },
            Calendar { hour: 24, ..good },
            Calendar { minute: 60, ..good },
            Calendar { second: 61, ..good },
            Calendar { zone_minutes: 1441, ..good },
        ] {
            assert_eq!(bad.timestamp(), None, "{bad:?}");
        }
    }
}
