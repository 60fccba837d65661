-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_returns (
    user_id text not null,
    slice text not null,
    slice_value text not null,
    first_day date not null,
    active_ages integer[] not null,
    returned_within integer,
    first_redeemed_day date,
    constraint agg_user_returns_key primary key (user_id, slice, slice_value)
) with (fillfactor = 70);

comment on table {{ warehouse }}.agg_user_returns is
'When a user first came, came back and first redeemed, per slice. One row per user and slice '
'value with an event.';
comment on column {{ warehouse }}.agg_user_returns.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_returns.slice is 'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_returns.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_user_returns.first_day is 'First active day.';
comment on column {{ warehouse }}.agg_user_returns.active_ages is
'On which of the days 1, 3, 7, 14, 30, 60 and 90 after the first the user was active.';
comment on column {{ warehouse }}.agg_user_returns.returned_within is
'The smallest of these numbers by which the user was active again; null if later than all of '
'them, or not yet.';
comment on column {{ warehouse }}.agg_user_returns.first_redeemed_day is
'Day of the first event that redeemed miles; null without one.';
