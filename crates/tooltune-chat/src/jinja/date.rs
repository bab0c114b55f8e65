//! The date that a template is told.

use super::budget::{Fault, fault};

/// The day and time that `strftime_now` prints, so that the same conversation renders to the same text at any time.
///
/// `Default` is 26 July 2024, 00:00:00, the day that Llama 3's templates name where they are told none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JinjaDate {
    /// The year.
    pub year: i32,
    /// The month, 1 to 12.
    pub month: u32,
    /// The day of the month, from 1.
    pub day: u32,
    /// The hour, 0 to 23.
    pub hour: u32,
    /// The minute, 0 to 59.
    pub minute: u32,
    /// The second, 0 to 59.
    pub second: u32,
}

impl Default for JinjaDate {
    fn default() -> Self {
        Self { year: 2024, month: 7, day: 26, hour: 0, minute: 0, second: 0 }
    }
}

const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];

impl JinjaDate {
    fn month_name(self) -> &'static str {
        MONTHS[(self.month.clamp(1, 12) - 1) as usize]
    }

    /// The days of the year before this one.
    fn day_of_year(self) -> u32 {
        const BEFORE: [u32; 12] = [0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334];
        let month = self.month.clamp(1, 12);
        let leap = self.year % 4 == 0 && (self.year % 100 != 0 || self.year % 400 == 0);
        BEFORE[(month - 1) as usize] + u32::from(leap && month > 2) + self.day.saturating_sub(1)
    }

    /// 0 is Sunday.
    fn weekday(self) -> usize {
        let past = i64::from(self.year) - 1;
        let days = past * 365 + past.div_euclid(4) - past.div_euclid(100) + past.div_euclid(400);
        // 1 January of year 1 was a Monday.
        usize::try_from((days + i64::from(self.day_of_year()) + 1).rem_euclid(7)).unwrap_or(0)
    }

    /// Python's `strftime` in the C locale; `-` after `%` leaves out leading zeros.
    pub(super) fn format(self, format: &str) -> Result<String, Fault> {
        let mut out = String::new();
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let mut letter = chars.next();
            let bare = letter == Some('-');
            if bare {
                letter = chars.next();
            }
            let twelve = (self.hour + 11) % 12 + 1;
            let number = |value: u32, width: usize| {
                let width = if bare { 0 } else { width };
                format!("{value:0width$}")
            };
            let text = match letter {
                Some('Y') => self.year.to_string(),
                Some('y') => format!("{:02}", self.year.rem_euclid(100)),
                Some('m') => number(self.month, 2),
                Some('d') => number(self.day, 2),
                Some('e') => format!("{:2}", self.day),
                Some('H') => number(self.hour, 2),
                Some('I') => number(twelve, 2),
                Some('M') => number(self.minute, 2),
                Some('S') => number(self.second, 2),
                Some('j') => number(self.day_of_year() + 1, 3),
                Some('p') => if self.hour < 12 { "AM" } else { "PM" }.to_owned(),
                Some('B') => self.month_name().to_owned(),
                Some('b' | 'h') => self.month_name()[..3].to_owned(),
                Some('A') => DAYS[self.weekday()].to_owned(),
                Some('a') => DAYS[self.weekday()][..3].to_owned(),
                Some('F') => self.format("%Y-%m-%d")?,
                Some('T') => self.format("%H:%M:%S")?,
                Some('D') => self.format("%m/%d/%y")?,
                Some('f') => "000000".to_owned(),
                Some('Z' | 'z') => String::new(),
                Some('%') => "%".to_owned(),
                _ => return Err(fault(format!("unsupported directive in strftime format {format:?}"))),
            };
            out.push_str(&text);
        }
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_as_python_does() {
        let date = JinjaDate { year: 2000, month: 2, day: 29, hour: 13, minute: 4, second: 9 };
        let format = "%A %a %d %-d %e %B %b %m %-m %y %Y %H %I %M %S %p %j %% %F %T";
        assert_eq!(
            date.format(format).unwrap(),
            "Tuesday Tue 29 29 29 February Feb 02 2 00 2000 13 01 04 09 PM 060 % 2000-02-29 13:04:09"
        );
        assert_eq!(JinjaDate::default().format("%d %b %Y, %A").unwrap(), "26 Jul 2024, Friday");
        assert!(date.format("%Q").is_err() && date.format("%").is_err());
    }
}
