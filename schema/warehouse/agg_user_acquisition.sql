-- Place: distributed by user_id
create table if not exists {{ warehouse }}.agg_user_acquisition (
    user_id text not null,
    utm_source text not null,
    first_day date not null,
    over_on date not null,
    is_activated boolean not null,
    is_back_in_week_1 boolean not null,
    is_back_in_week_4 boolean not null,
    has_redeemed boolean not null,
    miles_earned numeric not null,
    constraint agg_user_acquisition_key primary key (user_id)
) with (fillfactor = 70);

comment on table {{ warehouse }}.agg_user_acquisition is
'Where a user came from, and what followed. One row per user with an event that counts.';
comment on column {{ warehouse }}.agg_user_acquisition.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_acquisition.utm_source is 'Source of the first event.';
comment on column {{ warehouse }}.agg_user_acquisition.first_day is 'Day of the first event.';
comment on column {{ warehouse }}.agg_user_acquisition.over_on is
'First day at whose start the 168 hours from the first event on are over.';
comment on column {{ warehouse }}.agg_user_acquisition.is_activated is
'Whether the user earned miles within these hours.';
comment on column {{ warehouse }}.agg_user_acquisition.is_back_in_week_1 is
'Whether the user was active in the ISO week after the first one.';
comment on column {{ warehouse }}.agg_user_acquisition.is_back_in_week_4 is
'Whether the user was active in the fourth ISO week after the first one.';
comment on column {{ warehouse }}.agg_user_acquisition.has_redeemed is
'Whether the user ever redeemed miles.';
comment on column {{ warehouse }}.agg_user_acquisition.miles_earned is 'Miles ever earned.';
