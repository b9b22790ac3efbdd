//! The arguments of `otel-operator run`, in Go's style, generated from the table of settings.

use clap::{Arg, ArgAction, ArgMatches, Command, builder::NonEmptyStringValueParser, parser::ValueSource};

use super::{
    table::{self, Kind},
    values::Values,
};

/// The arguments of the process, for `clap`.
pub fn arguments() -> impl Iterator<Item = Arg> {
    table::all().iter().filter_map(|setting| {
        let flag = setting.flag?;
        let mut help = setting.help.to_owned();
        if !setting.default.is_empty() {
            help.push_str(&format!(" [default: {}]", setting.default));
        }
        if let Some(env) = setting.env {
            help.push_str(&format!(" [env: {env}]"));
        }
        let arg = Arg::new(flag).long(flag).help(help).action(ArgAction::Append).value_name("VALUE");
        Some(match setting.kind {
            // `--flag` and `--flag=false`; the next argument is never its value.
            Kind::Bool => arg
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("true")
                .value_parser(NonEmptyStringValueParser::new()),
            _ => arg.num_args(1).allow_hyphen_values(true),
        })
    })
}

/// Takes the given flags over into the values.
pub fn take(matches: &ArgMatches, values: &mut Values) {
    for setting in table::all() {
        let Some(flag) = setting.flag else { continue };
        if matches.value_source(flag) == Some(ValueSource::CommandLine)
            && let Some(texts) = matches.get_many::<String>(flag)
        {
            values.from_flag(setting, texts.cloned().collect());
        }
    }
}

/// Prepares the command line: a known flag with a single dash gets its second one, and unknown flags are taken out and
/// returned, so that a Deployment written for another version still starts.
///
/// `command` knows flags beyond those of the table (such as `--help`).
pub fn tolerant(
    arguments: impl IntoIterator<Item = String>,
    command: &Command,
) -> (Vec<String>, Vec<String>) {
    let known = |name: &str| {
        table::by_flag(name).is_some()
            || matches!(name, "help" | "version")
            || command.get_arguments().any(|a| a.get_long() == Some(name))
    };
    let (mut kept, mut unknown) = (Vec::new(), Vec::new());
    let mut arguments = arguments.into_iter().peekable();
    while let Some(argument) = arguments.next() {
        let Some(rest) = argument.strip_prefix('-') else {
            kept.push(argument);
            continue;
        };
        let name = rest.strip_prefix('-').unwrap_or(rest);
        let name = name.split_once('=').map_or(name, |(name, _)| name);
        if name.len() < 2 {
            kept.push(argument);
        } else if known(name) {
            let takes_next =
                !argument.contains('=') && table::by_flag(name).is_some_and(|s| s.kind != Kind::Bool);
            kept.push(format!("--{}", argument.trim_start_matches('-')));
            if takes_next {
                kept.extend(arguments.next());
            }
        } else {
            // Whether the next argument is its value cannot be known; what looks like one is.
            if !argument.contains('=')
                && let Some(value) = arguments.next_if(|next| !next.starts_with('-'))
            {
                unknown.push(format!("{argument} {value}"));
            } else {
                unknown.push(argument);
            }
        }
    }
    (kept, unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> (Values, Vec<String>) {
        let command = Command::new("run").no_binary_name(true).args(super::arguments());
        let (kept, unknown) = tolerant(arguments.iter().map(|a| (*a).to_owned()), &command);
        let mut values = Values::default();
        take(&command.try_get_matches_from(kept).unwrap(), &mut values);
        (values, unknown)
    }

    #[test]
    fn booleans_are_written_as_in_go() {
        let (values, _) =
            parse(&["--enable-go-instrumentation", "--enable-java-instrumentation=false", "-zap-devel=T"]);
        assert_eq!(values.boolean("enable-go-instrumentation"), Ok(true));
        assert_eq!(values.boolean("enable-java-instrumentation"), Ok(false));
        assert_eq!(values.boolean("zap-devel"), Ok(true));
        assert_eq!(values.boolean("enable-python-instrumentation"), Ok(true));
    }

    #[test]
    fn values_follow_an_equal_sign_or_a_blank_and_the_last_one_counts() {
        let (values, _) =
            parse(&["--webhook-port", "1", "--webhook-port=2", "--labels-filter=a", "--labels-filter", "b"]);
        assert_eq!(values.text("webhook-port"), "2");
        assert_eq!(values.list("labels-filter"), ["a", "b"]);
    }

    #[test]
    fn unknown_flags_are_set_aside() {
        let (values, unknown) = parse(&["--not-a-flag=1", "--other", "value", "--webhook-port=3"]);
        assert_eq!(unknown, ["--not-a-flag=1", "--other value"]);
        assert_eq!(values.text("webhook-port"), "3");
    }
}
