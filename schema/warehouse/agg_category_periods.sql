-- Place: local
create table if not exists {{ warehouse }}.agg_category_periods (
    grain text not null,
    period_start date not null,
    slice text not null,
    slice_value text not null,
    transaction_category text not null,
    users bigint not null,
    events bigint not null,
    earning_users bigint not null,
    earned_count bigint not null,
    redeeming_users bigint not null,
    redeemed_count bigint not null,
    search_count bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    constraint agg_category_periods_key primary key (
        grain, period_start, slice, slice_value, transaction_category
    )
);

comment on table {{ warehouse }}.agg_category_periods is
'Users, events and miles of a category in a period, per slice. Kept by agg_user_category_daily.';
comment on column {{ warehouse }}.agg_category_periods.grain is 'day, week (ISO) or month.';
comment on column {{ warehouse }}.agg_category_periods.period_start is 'First day of the period.';
comment on column {{ warehouse }}.agg_category_periods.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_category_periods.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_category_periods.transaction_category is
'Category; unknown where the source had none.';
comment on column {{ warehouse }}.agg_category_periods.users is
'Users with an event in the category.';
comment on column {{ warehouse }}.agg_category_periods.events is 'Events in the category.';
comment on column {{ warehouse }}.agg_category_periods.earning_users is 'Users who earned miles.';
comment on column {{ warehouse }}.agg_category_periods.earned_count is 'Events that earned miles.';
comment on column {{ warehouse }}.agg_category_periods.redeeming_users is
'Users who redeemed miles.';
comment on column {{ warehouse }}.agg_category_periods.redeemed_count is
'Events that redeemed miles.';
comment on column {{ warehouse }}.agg_category_periods.search_count is 'Searches for a reward.';
comment on column {{ warehouse }}.agg_category_periods.miles_earned is 'Miles earned.';
comment on column {{ warehouse }}.agg_category_periods.miles_redeemed is 'Miles redeemed.';
