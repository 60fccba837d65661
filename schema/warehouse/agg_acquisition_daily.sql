-- Place: local
create table if not exists {{ warehouse }}.agg_acquisition_daily (
    utm_source text not null,
    first_day date not null,
    over_on date not null,
    users bigint not null,
    activated_users bigint not null,
    week_1_users bigint not null,
    week_4_users bigint not null,
    redeemers bigint not null,
    miles_earned numeric not null,
    constraint agg_acquisition_daily_key primary key (utm_source, first_day, over_on)
);

comment on table {{ warehouse }}.agg_acquisition_daily is
'How many users a source brought on a day, and what they did. One row per source, day of the '
'first event and day on which the first 168 hours are over.';
comment on column {{ warehouse }}.agg_acquisition_daily.utm_source is 'Source of the first event.';
comment on column {{ warehouse }}.agg_acquisition_daily.first_day is 'Day of the first event.';
comment on column {{ warehouse }}.agg_acquisition_daily.over_on is
'First day at whose start their first 168 hours are over.';
comment on column {{ warehouse }}.agg_acquisition_daily.users is
'Users who came from the source on the day.';
comment on column {{ warehouse }}.agg_acquisition_daily.activated_users is
'Of these, users who earned miles within 168 hours of the first event.';
comment on column {{ warehouse }}.agg_acquisition_daily.week_1_users is
'Of these, active in the ISO week after their first one.';
comment on column {{ warehouse }}.agg_acquisition_daily.week_4_users is
'Of these, active in the fourth ISO week after their first one.';
comment on column {{ warehouse }}.agg_acquisition_daily.redeemers is
'Of these, users who have ever redeemed miles.';
comment on column {{ warehouse }}.agg_acquisition_daily.miles_earned is
'Miles that they have ever earned.';
