//! Numbers as people of a language write them.

use super::Lang;

/// Thousands in groups: `1,284` in English, `1.284` in Indonesian.
pub fn grouped(value: u64, lang: Lang) -> String {
    let separator = match lang {
        Lang::En => ',',
        Lang::Id => '.',
    };
    let digits = value.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(separator);
        }
        text.push(digit);
    }
    text
}

/// A number with so many digits behind the point. The standard library's way is right for every number that there
/// is; its tables and code are larger than the whole stage.
pub fn fixed_point(value: f64, digits: u32) -> String {
    let whole = 10_u64.pow(digits);
    let scaled = (value.abs() * whole as f64).round() as u64;
    let sign = if value < 0.0 && scaled > 0 { "-" } else { "" };
    match digits {
        0 => format!("{sign}{scaled}"),
        _ => format!("{sign}{}.{:0width$}", scaled / whole, scaled % whole, width = digits as usize),
    }
}

/// A number with so many digits behind the point or comma.
pub fn decimal(value: f64, digits: u32, lang: Lang) -> String {
    let text = fixed_point(value, digits);
    match lang {
        Lang::En => text,
        Lang::Id => text.replace('.', ","),
    }
}

/// A length or a place in a drawing, to a hundredth of a unit: more is not seen.
pub fn coordinate(value: f64) -> String {
    fixed_point(value, 2)
}

/// A path of SVG: commands, each with a point.
pub fn path(steps: &[(&str, f64, f64)]) -> String {
    let step =
        |(step, x, y): &(&str, f64, f64)| [step, &*fixed_point(*x, 1), " ", &fixed_point(*y, 1)].concat();
    steps.iter().map(step).collect()
}

/// SVG's `translate(x y)`.
pub fn translate(x: f64, y: f64) -> String {
    format!("translate({} {})", fixed_point(x, 1), fixed_point(y, 1))
}

/// A length of time, short: `0.4 ms`, `12 ms`, `1.9 s`, `2 min 05 s`.
pub fn duration(us: u64, lang: Lang) -> String {
    let text = match us {
        0..1_000 => format!("{us} µs"),
        1_000..10_000 => [&fixed_point(us as f64 / 1e3, 1), " ms"].concat(),
        10_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..100_000_000 => [&fixed_point(us as f64 / 1e6, 1), " s"].concat(),
        _ => format!("{} min {:02} s", us / 60_000_000, us / 1_000_000 % 60),
    };
    match lang {
        Lang::En => text,
        Lang::Id => text.replace('.', ","),
    }
}

/// Seconds with one digit behind the point: `4.2 s`, for what changes all the time.
pub fn seconds(us: u64, lang: Lang) -> String {
    if us >= 100_000_000 {
        return duration(us, lang);
    }
    let text = [&fixed_point(us as f64 / 1e6, 1), " s"].concat();
    match lang {
        Lang::En => text,
        Lang::Id => text.replace('.', ","),
    }
}

/// A time of day: `14:02:07.118`. `offset_minutes` is what is added to UTC where the page is read.
pub fn time_of_day(wall_us: u64, offset_minutes: i32) -> String {
    let local_us =
        (wall_us as i64 + i64::from(offset_minutes) * 60_000_000).rem_euclid(86_400_000_000) as u64;
    let (seconds, milliseconds) = (local_us / 1_000_000, local_us / 1_000 % 1_000);
    format!("{:02}:{:02}:{:02}.{milliseconds:03}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_grouped() {
        for (value, english, indonesian) in [
            (0, "0", "0"),
            (999, "999", "999"),
            (1_284, "1,284", "1.284"),
            (1_234_567, "1,234,567", "1.234.567"),
        ] {
            assert_eq!(grouped(value, Lang::En), english);
            assert_eq!(grouped(value, Lang::Id), indonesian);
        }
    }

    #[test]
    fn points_are_fixed() {
        for (value, digits, text) in [
            (0.0, 1, "0.0"),
            (-0.04, 1, "0.0"),
            (-0.06, 1, "-0.1"),
            (12.345, 2, "12.35"),
            (1_234.5, 0, "1235"),
            (7.05, 2, "7.05"),
            (-186.5, 3, "-186.500"),
        ] {
            assert_eq!(fixed_point(value, digits), text);
        }
    }

    #[test]
    fn durations_are_short() {
        for (us, text) in [
            (412, "412 µs"),
            (1_900, "1.9 ms"),
            (12_345, "12 ms"),
            (1_900_000, "1.9 s"),
            (125_000_000, "2 min 05 s"),
        ] {
            assert_eq!(duration(us, Lang::En), text);
        }
        assert_eq!(duration(1_900_000, Lang::Id), "1,9 s");
    }

    #[test]
    fn times_of_day_follow_the_reader() {
        assert_eq!(time_of_day(50_527_118_000, 0), "14:02:07.118");
        assert_eq!(time_of_day(50_527_118_000, 420), "21:02:07.118");
        assert_eq!(time_of_day(1_000_000, -60), "23:00:01.000");
    }
}
