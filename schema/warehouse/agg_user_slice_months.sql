create table if not exists {{ warehouse }}.agg_user_slice_months (
    user_id text not null,
    month date not null,
    slice text not null,
    slice_value text not null,
    cohort_start date not null,
    active_days integer not null,
    earning_days integer not null,
    redeeming_days integer not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint agg_user_slice_months_key primary key (user_id, month, slice, slice_value)
);

comment on table {{ warehouse }}.agg_user_slice_months is
'On which days of a month a user was active, earned and redeemed, in all and in each slice value. '
'One row per user, month and slice value with an event. Days are bits: 1 is the first of the '
'month, 2 the second, 4 the third.';
comment on column {{ warehouse }}.agg_user_slice_months.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_slice_months.month is 'First day of the month.';
comment on column {{ warehouse }}.agg_user_slice_months.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_user_slice_months.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_user_slice_months.cohort_start is
'The first month in which the user was active in the slice value.';
comment on column {{ warehouse }}.agg_user_slice_months.active_days is
'Days with an event that counts, as bits.';
comment on column {{ warehouse }}.agg_user_slice_months.earning_days is
'Days on which miles were earned, be it 0, as bits.';
comment on column {{ warehouse }}.agg_user_slice_months.redeeming_days is
'Days on which miles were redeemed, be it 0, as bits.';
comment on column {{ warehouse }}.agg_user_slice_months.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_user_slice_months.miles_redeemed is 'Miles redeemed.';
