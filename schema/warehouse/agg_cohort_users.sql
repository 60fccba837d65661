-- Place: local
create table if not exists {{ warehouse }}.agg_cohort_users (
    slice text not null,
    slice_value text not null,
    figure text not null,
    cohort_start date not null,
    number integer not null,
    users bigint not null,
    constraint agg_cohort_users_key primary key (
        slice, slice_value, figure, cohort_start, number
    )
);

comment on table {{ warehouse }}.agg_cohort_users is
'How many users came on a day, and when they came back and first redeemed, per slice. Kept by '
'agg_user_returns.';
comment on column {{ warehouse }}.agg_cohort_users.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_cohort_users.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_cohort_users.figure is
'new, active (on a day), returned (until a day) or redeemed (for the first time, in a month).';
comment on column {{ warehouse }}.agg_cohort_users.cohort_start is
'First active day of these users; for redeemed, the month of that day.';
comment on column {{ warehouse }}.agg_cohort_users.number is
'How many days later: 1, 3, 7, 14, 30, 60 or 90; 0 for new; for redeemed, how many months later.';
comment on column {{ warehouse }}.agg_cohort_users.users is 'How many users.';
