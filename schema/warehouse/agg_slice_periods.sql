-- Place: local
create table if not exists {{ warehouse }}.agg_slice_periods (
    slice text not null,
    slice_value text not null,
    grain text not null,
    period_start date not null,
    cohort_start date not null,
    active_days integer not null,
    users bigint not null,
    earning_users bigint not null,
    redeeming_users bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint agg_slice_periods_key primary key (
        slice, slice_value, grain, period_start, cohort_start, active_days
    )
);

comment on table {{ warehouse }}.agg_slice_periods is
'How many users earned and redeemed in a week or month, and how much, per slice. A month is '
'counted twice: by cohort, and by active days. Kept by agg_user_monthly.';
comment on column {{ warehouse }}.agg_slice_periods.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_slice_periods.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_slice_periods.grain is 'week (ISO) or month.';
comment on column {{ warehouse }}.agg_slice_periods.period_start is 'First day of the period.';
comment on column {{ warehouse }}.agg_slice_periods.cohort_start is
'First active month of these users; -infinity for rows of all cohorts.';
comment on column {{ warehouse }}.agg_slice_periods.active_days is
'On how many days of the month these users were active; 0 for rows of any number of days.';
comment on column {{ warehouse }}.agg_slice_periods.users is
'Users active in the month; for weeks, users who earned or redeemed.';
comment on column {{ warehouse }}.agg_slice_periods.earning_users is
'Of these, users with an event that earned miles, even 0.';
comment on column {{ warehouse }}.agg_slice_periods.redeeming_users is
'Of these, users with an event that redeemed miles, even 0.';
comment on column {{ warehouse }}.agg_slice_periods.miles_earned is
'Miles that they earned; 0 for weeks, whose miles are sums of their days.';
comment on column {{ warehouse }}.agg_slice_periods.miles_redeemed is
'Miles that they redeemed; 0 for weeks.';
