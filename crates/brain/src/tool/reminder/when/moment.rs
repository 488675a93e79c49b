//! A moment as words leave it: some of it named, the rest to be filled in from what time it is now.

use jiff::civil::{Date, Time, Weekday};
use jiff::{Span, ToSpan as _, Zoned};

use super::{Unclear, When};

const HOUR: u16 = 60;
const NOON: u16 = 12 * HOUR;
const DAY: u16 = 24 * HOUR;
/// Before it nobody means the morning without saying so.
const EARLIEST: u16 = 6 * HOUR;
const FARTHEST_YEARS: i32 = 5;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Moment {
    pub every: Option<Every>,
    pub day: Option<Day>,
    pub part: Option<Part>,
    pub clock: Option<Clock>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Every {
    Length(Length),
    Weekdays(Weekdays),
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Day {
    /// So many days after today.
    Plus(i32),
    After(Length),
    /// The next of these weekdays, which may be today unless it is to come after it.
    Weekday {
        among: Weekdays,
        after_today: bool,
    },
    /// The next such day.
    Date {
        day: i8,
        month: Option<i8>,
        year: Option<i16>,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Part {
    Morning,
    Afternoon,
    Evening,
    Night,
}

/// In minutes since midnight.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Clock {
    Exact(u16),
    /// On a dial of twelve hours, which shows it twice a day.
    Dial(u16),
}

/// A length of time. Months and days are those of the calendar.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Length {
    pub months: f64,
    pub days: f64,
    pub seconds: f64,
}

/// A set of them, Monday in the lowest bit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Weekdays(u8);

impl Moment {
    /// Both, unless they contradict each other.
    pub fn and(self, other: Self) -> Option<Self> {
        fn either<T: PartialEq>(one: Option<T>, other: Option<T>) -> Option<Option<T>> {
            if one.is_some() && other.is_some() && one != other { None } else { Some(one.or(other)) }
        }
        let day = match (self.day, other.day) {
            // "on Friday, the fifth of December"
            (Some(Day::Weekday { .. }), date @ Some(Day::Date { .. }))
            | (date @ Some(Day::Date { .. }), Some(Day::Weekday { .. })) => date,
            (one, other) => either(one, other)?,
        };
        let both = Self {
            every: either(self.every, other.every)?,
            day,
            part: either(self.part, other.part)?,
            clock: either(self.clock, other.clock)?,
        };
        both.is_possible().then_some(both)
    }

    pub fn resolve(self, now: &Zoned) -> Result<When, Unclear> {
        match self.every {
            Some(every) => self.cron(every, now).map(When::Repeatedly),
            None => self.once(now).map(When::Once),
        }
    }

    fn is_possible(self) -> bool {
        let is_timed = self.part.is_some() || self.clock.is_some();
        let within_a_day = |length: Length| length.seconds > 0.0;
        match (self.every, self.day) {
            (None, Some(Day::After(length))) => !is_timed || !within_a_day(length),
            (None, _) | (Some(Every::Weekdays(_)), None) => true,
            (Some(Every::Length(length)), None) => !is_timed || !within_a_day(length),
            (Some(Every::Length(length)), Some(Day::Weekday { .. })) => length == Length::WEEK,
            (Some(Every::Length(length)), Some(Day::Date { month: None, .. })) => length == Length::MONTH,
            (Some(Every::Length(length)), Some(Day::Date { month: Some(_), .. })) => length == Length::YEAR,
            (Some(_), Some(_)) => false,
        }
    }

    fn once(self, now: &Zoned) -> Result<Zoned, Unclear> {
        let is_timed = self.part.is_some() || self.clock.is_some();
        let found = match self.day {
            Some(Day::After(length)) if !is_timed => {
                Some(length.after(now).ok_or(Unclear::TooFar)?).filter(|found| found > now)
            }
            Some(Day::Plus(0)) | None if !is_timed => return Err(Unclear::NoTime),
            _ => {
                let minutes = self.minutes();
                let days = self.dates(now)?;
                let mut moments = days.into_iter().flat_map(|day| minutes.iter().map(move |minute| (day, *minute)));
                moments.find_map(|(day, minute)| {
                    let moment = day.to_datetime(Time::midnight()).checked_add(i32::from(minute).minutes()).ok()?;
                    moment.to_zoned(now.time_zone().clone()).ok().filter(|moment| moment > now)
                })
            }
        };
        let found = found.ok_or(Unclear::Past)?;
        let farthest = now.checked_add(FARTHEST_YEARS.years());
        if farthest.is_ok_and(|farthest| found <= farthest) { Ok(found) } else { Err(Unclear::TooFar) }
    }

    /// The days that it may be, in their order.
    fn dates(self, now: &Zoned) -> Result<Vec<Date>, Unclear> {
        let today = now.date();
        let plus = |days: i32| today.checked_add(days.days()).ok();
        Ok(match self.day {
            // The night of yesterday may go on.
            None => (-1..=1).filter_map(plus).collect(),
            Some(Day::Plus(days)) => plus(days).into_iter().collect(),
            Some(Day::After(length)) => vec![length.after(now).ok_or(Unclear::TooFar)?.date()],
            Some(Day::Weekday { among, after_today }) => {
                (i32::from(after_today)..=7).filter_map(plus).filter(|date| among.has(date.weekday())).collect()
            }
            Some(Day::Date { day, month: None, .. }) => {
                // No two months in a row are too short for a day.
                let months = (0..=2).filter_map(|months| today.first_of_month().checked_add(months.months()).ok());
                months.filter_map(|month| Date::new(month.year(), month.month(), day).ok()).collect()
            }
            Some(Day::Date { day, month: Some(month), year }) => {
                // There may be eight years from one 29 February to the next.
                let years = year.map_or(today.year()..=today.year().saturating_add(8), |year| year..=year);
                years.filter_map(|year| Date::new(year, month, day).ok()).collect()
            }
        })
    }

    /// The minutes since a day began at which it may be, in the order of preference; a night goes on into the next day.
    fn minutes(self) -> Vec<u16> {
        let is_small = |minute: u16| minute < if self.part == Some(Part::Night) { 6 * HOUR } else { HOUR };
        match (self.clock, self.part) {
            (None, None | Some(Part::Morning)) => vec![9 * HOUR],
            (None, Some(Part::Afternoon)) => vec![15 * HOUR],
            (None, Some(Part::Evening)) => vec![19 * HOUR],
            (None, Some(Part::Night)) => vec![20 * HOUR],
            (Some(Clock::Exact(minute) | Clock::Dial(minute)), Some(Part::Evening | Part::Night))
                if is_small(minute) =>
            {
                vec![minute + DAY]
            }
            (Some(Clock::Exact(0)), _) => vec![0, DAY],
            (Some(Clock::Exact(minute)), _) | (Some(Clock::Dial(minute)), Some(Part::Morning)) => vec![minute],
            (Some(Clock::Dial(minute)), Some(_)) => vec![minute + NOON],
            // Twelve is noon rather than midnight.
            (Some(Clock::Dial(minute)), None) if minute < HOUR => vec![minute + NOON, minute + DAY],
            // Nobody makes plans for the small hours: on another day, five is in the afternoon.
            (Some(Clock::Dial(minute)), None) if minute < EARLIEST && (self.day.is_some() || self.every.is_some()) => {
                vec![minute + NOON, minute]
            }
            // The first of the two that is still to come: on another day, that of the morning.
            (Some(Clock::Dial(minute)), None) => vec![minute, minute + NOON],
        }
    }

    fn cron(self, every: Every, now: &Zoned) -> Result<String, Unclear> {
        let minute = self.minutes().first().map_or(0, |minute| minute % DAY);
        let at = |days: &str| format!("{} {} {days}", minute % HOUR, minute / HOUR);
        let length = match every {
            Every::Weekdays(days) => return Ok(at(&format!("* * {}", days.cron()))),
            Every::Length(length) => length,
        };
        let (day, month) = match self.day {
            Some(Day::Date { day, month, .. }) => (day, month.unwrap_or(now.month())),
            _ => (now.day(), now.month()),
        };
        match length {
            Length::DAY => Ok(at("* * *")),
            Length::WEEK => {
                let days = match self.day {
                    Some(Day::Weekday { among, .. }) => among,
                    _ => Weekdays::only(now.weekday()),
                };
                Ok(at(&format!("* * {}", days.cron())))
            }
            Length::MONTH => Ok(at(&format!("{day} * *"))),
            Length::YEAR => Ok(at(&format!("{day} {month} *"))),
            Length { months: 0.0, days: 0.0, seconds } => steps(seconds).ok_or(Unclear::Uneven),
            _ => Err(Unclear::Uneven),
        }
    }
}

/// Cron starts anew with each hour and each day: only what divides them comes evenly, everything else at intervals.
fn steps(seconds: f64) -> Option<String> {
    let minutes = (1..DAY).find(|minutes| f64::from(*minutes) * 60.0 == seconds)?;
    match (minutes, minutes / HOUR) {
        (1, _) => Some("* * * * *".to_owned()),
        (HOUR, _) => Some("0 * * * *".to_owned()),
        (minutes, 0) if HOUR.is_multiple_of(minutes) => Some(format!("*/{minutes} * * * *")),
        (minutes, hours) if DAY.is_multiple_of(minutes) && minutes.is_multiple_of(HOUR) => {
            Some(format!("0 */{hours} * * *"))
        }
        _ => Some(format!("@every {minutes}m")),
    }
}

impl Clock {
    /// Of an hour up to 24 and what is to be added to it.
    pub fn new(hour: u16, minutes: i16) -> Self {
        let of_day = (hour * HOUR).saturating_add_signed(minutes);
        if (1..=12).contains(&hour) { Self::Dial((of_day + NOON) % NOON) } else { Self::Exact(of_day % DAY) }
    }

    pub fn exact(self, is_afternoon: bool) -> Self {
        match self {
            Self::Dial(minute) => Self::Exact(minute + if is_afternoon { NOON } else { 0 }),
            Self::Exact(minute) => Self::Exact(minute),
        }
    }
}

impl Length {
    pub const DAY: Self = Self { months: 0.0, days: 1.0, seconds: 0.0 };
    pub const WEEK: Self = Self { months: 0.0, days: 7.0, seconds: 0.0 };
    pub const MONTH: Self = Self { months: 1.0, days: 0.0, seconds: 0.0 };
    pub const YEAR: Self = Self { months: 12.0, days: 0.0, seconds: 0.0 };

    pub fn plus(self, amount: f64, unit: Self) -> Self {
        Self {
            months: self.months + amount * unit.months,
            days: self.days + amount * unit.days,
            seconds: self.seconds + amount * unit.seconds,
        }
    }

    /// None where the calendar ends.
    fn after(self, now: &Zoned) -> Option<Zoned> {
        let days = self.days + self.months.fract() * 30.0;
        let seconds = self.seconds + days.fract() * 86_400.0;
        let span = Span::new().try_months(self.months as i64).ok()?.try_days(days as i64).ok()?;
        now.checked_add(span.try_seconds(seconds as i64).ok()?).ok()
    }
}

impl Weekdays {
    pub const WORKING: Self = Self(0b001_1111);
    pub const WEEKEND: Self = Self(0b110_0000);

    pub fn only(day: Weekday) -> Self {
        Self(1 << day.to_monday_zero_offset())
    }

    pub fn and(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    fn has(self, day: Weekday) -> bool {
        self.0 & Self::only(day).0 != 0
    }

    fn cron(self) -> String {
        if self == Self::WORKING {
            return "1-5".to_owned();
        }
        let days = Weekday::Monday.cycle_forward().take(7).filter(|day| self.has(*day));
        days.map(|day| day.to_sunday_zero_offset().to_string()).collect::<Vec<_>>().join(",")
    }
}
