create schema if not exists {{ warehouse }};
comment on schema {{ warehouse }} is 'Replicas of the sources, dimensions, facts and aggregates.';

-- Attributes are index keys, whose length is limited. A very long one (a source comes from a web
-- address) must not stop the build: it is shortened, and a hash keeps it distinct.
create or replace function {{ warehouse }}.member(value text) returns text
language sql immutable parallel safe
return coalesce(
    case
        when length(value) > 200 then left(value, 160) || md5(value)
        when value <> '' then value
    end,
    'unknown'
);

comment on function {{ warehouse }}.member(text) is
'The text that stands for an attribute: unknown if it is missing or empty, shortened if very long.';

-- The one place that turns a time into a day, for present and former rows, so that a build finds a
-- former row where it had put it. A time far outside the calendar has no day.
create or replace function {{ warehouse }}.day_of(moment timestamptz, zone text) returns date
language sql immutable parallel safe
return case
    when moment >= '1900-01-01 00:00+00' and moment < '9999-12-30 00:00+00'
        then (moment at time zone zone)::date
    else '-infinity'::date
end;

comment on function {{ warehouse }}.day_of(timestamptz, text) is
'The calendar day of a moment in a time zone; -infinity if the moment is missing or out of range.';

-- Where clocks go back from 01:00 to 00:00, midnight comes twice.
create or replace function {{ warehouse }}.day_start(day date, zone text) returns timestamptz
language sql stable parallel safe
return case
    when ((day::timestamp at time zone zone) - interval '1 hour') at time zone zone >= day
        then (day::timestamp at time zone zone) - interval '1 hour'
    else day::timestamp at time zone zone
end;

comment on function {{ warehouse }}.day_start(date, text) is
'The first moment of a day in a time zone, also where midnight comes twice or never.';

create or replace function {{ warehouse }}.over_on(moment timestamptz, zone text) returns date
language sql stable parallel safe
return ((moment - interval '1 microsecond') at time zone zone)::date + 1;

comment on function {{ warehouse }}.over_on(timestamptz, text) is
'The first day in a time zone that starts at a moment or after it.';

-- NaN, infinity and absurd amounts would spoil every sum.
create or replace function {{ warehouse }}.amount(value numeric) returns numeric
language sql immutable parallel safe
return case when abs(value) <= 1000000000000 then value else 0 end;

comment on function {{ warehouse }}.amount(numeric) is
'An amount as it is counted: 0 if it is missing, not finite or beyond a million millions.';

create or replace function {{ warehouse }}.band(value numeric) returns numeric
language sql immutable parallel safe
return case
    when value < 0 then '-infinity'
    else trunc(value, 2 - length(trunc(value)::text))
end;

comment on function {{ warehouse }}.band(numeric) is
'The least value from 0 on with the same first two digits; all values below 0 are in one band.';

create or replace function {{ warehouse }}.days_until(
    active_days date[], wanted integer, window_days integer
) returns date
language sql immutable parallel safe
return case
    when wanted < 1 then 'infinity'
    else coalesce(active_days[cardinality(active_days) + 1 - wanted] + window_days - 1, '-infinity')
end;

comment on function {{ warehouse }}.days_until(date[], integer, integer) is
'The last day whose trailing window has as many active days as wanted; -infinity if there is none.';

-- The logarithm of a double is ten times as fast as that of a numeric, but its last digits differ
-- between machines: where they could decide the rounding to six digits, numeric does.
create or replace function {{ warehouse }}.logarithm(value double precision) returns numeric
language sql immutable parallel safe
return case
    when abs(1000000 * ln(1 + value) - trunc(1000000 * ln(1 + value)) - 0.5) > 0.001
        then (1000000 * ln(1 + value))::bigint * 0.000001
    else round(ln(1 + value::numeric), 6)
end;

comment on function {{ warehouse }}.logarithm(double precision) is
'ln(1 + value), to six digits, of values from 0 on.';

-- Grains and slices, defined once. The planner inlines an immutable function that is not strict and
-- consists of one select, so these cost no call. A dollar-quoted body is parsed in the session that
-- calls it, so it has no names or operators that depend on the search path. Rows computed from
-- arguments are selects with union all: a values list, whose expressions PostgreSQL prepares again
-- for each row, takes several times as long.

-- The first day of year 1 was a Monday.
create or replace function {{ warehouse }}.week_start(day date) returns date
language sql immutable parallel safe
return day - (day - '0001-01-01'::date) % 7;

comment on function {{ warehouse }}.week_start(date) is
'The Monday of a day''s week; finite days only.';

create or replace function {{ warehouse }}.month_start(day date) returns date
language sql immutable parallel safe
return date_trunc('month', day::timestamp)::date;

comment on function {{ warehouse }}.month_start(date) is 'The first day of a day''s month.';

create or replace function {{ warehouse }}.week_number(day date) returns integer
language sql immutable parallel safe
return (day - '0001-01-01'::date) / 7;

comment on function {{ warehouse }}.week_number(date) is
'Weeks since year 1; consecutive weeks have consecutive numbers.';

create or replace function {{ warehouse }}.month_number(day date) returns integer
language sql immutable parallel safe
return date_part('year', day) * 12 + date_part('month', day);

comment on function {{ warehouse }}.month_number(date) is
'Months since year 0; consecutive months have consecutive numbers.';

create or replace function {{ warehouse }}.next_period(grain text, period_start date) returns date
language sql immutable parallel safe
return case grain
    when 'day' then period_start + 1
    when 'week' then period_start + 7
    else {{ warehouse }}.month_start(period_start + 31)
end;

comment on function {{ warehouse }}.next_period(text, date) is
'The first day of the period after one that begins on a day.';

create or replace function {{ warehouse }}.previous_period(grain text, period_start date)
returns date
language sql immutable parallel safe
return case grain
    when 'day' then period_start - 1
    when 'week' then period_start - 7
    else {{ warehouse }}.month_start(period_start - 1)
end;

comment on function {{ warehouse }}.previous_period(text, date) is
'The first day of the period before one that begins on a day.';

create or replace function {{ warehouse }}.periods(day date)
returns table (grain text, period_start date)
language sql immutable parallel safe
as $$
    select 'day' as grain, day as period_start
    union all
    select 'week' as grain, {{ warehouse }}.week_start(day) as period_start
    union all
    select 'month' as grain, {{ warehouse }}.month_start(day) as period_start
$$;

comment on function {{ warehouse }}.periods(date) is 'The day, the week and the month of a day.';

create or replace function {{ warehouse }}.week_bits(month date, week date) returns integer
language sql immutable parallel safe
return case
    when week < month then 127 >> month - week
    when week < month + 31 then 127 << week - month
    else 0
end;

comment on function {{ warehouse }}.week_bits(date, date) is
'The bits of a week''s days within a month. The week is given by its Monday; bit 0 is the first '
'of the month.';

create or replace function {{ warehouse }}.slices(
    everybody text, country text, platform text, utm_source text
)
returns table (slice text, slice_value text)
language sql immutable parallel safe
as $$
    select 'all' as slice, everybody as slice_value where everybody is not null
    union all
    select 'country' as slice, country as slice_value where country is not null
    union all
    select 'platform' as slice, platform as slice_value where platform is not null
    union all
    select 'utm_source' as slice, utm_source as slice_value where utm_source is not null
$$;

comment on function {{ warehouse }}.slices(text, text, text, text) is
'A group of slice values, or all those of an event, as rows: one for each argument that is not '
'null. The value of slice all is ''all''.';

create or replace function {{ warehouse }}.slice_value(
    slice text, country text, platform text, utm_source text
)
returns text
language sql immutable parallel safe
return case slice
    when 'country' then country
    when 'platform' then platform
    when 'utm_source' then utm_source
    else 'all'
end;

comment on function {{ warehouse }}.slice_value(text, text, text, text) is
'The value that an event has in a slice.';

-- Its former name.
drop function if exists {{ warehouse }}.places(boolean, boolean, text, text, text);
create or replace function {{ warehouse }}.slice_groups(
    has_one_origin boolean, has_one_platform boolean, country text, platform text, utm_source text
)
returns table (everybody text, of_country text, of_platform text, of_source text)
language sql immutable parallel safe
as $$
    select
        'all' as everybody,
        case when has_one_origin then country end as of_country,
        case when has_one_platform then platform end as of_platform,
        case when has_one_origin then utm_source end as of_source
    union all
    select null, null, platform, null where not has_one_platform and platform is not null
    union all
    select null, country, null, null where not has_one_origin and country is not null
    union all
    select null, null, null, utm_source where not has_one_origin and utm_source is not null
$$;

comment on function {{ warehouse }}.slice_groups(boolean, boolean, text, text, text) is
'Groups of slice values that count a user together, one per row: slice all, with the country and '
'the source if the user has one of each, and with the platform if there is one; every other value '
'is a group of its own. So most users are counted once instead of four times. slices() unfolds '
'the groups.';
