-- Place: local
create table if not exists {{ warehouse }}.agg_period_activity (
    slice text not null,
    slice_value text not null,
    grain text not null,
    cohort_start date not null,
    period_start date not null,
    active_users bigint not null,
    new_users bigint not null,
    retained_users bigint not null,
    resurrected_users bigint not null,
    churned_users bigint not null,
    trailing_7_day_change bigint not null,
    trailing_28_day_change bigint not null,
    constraint agg_period_activity_key primary key (
        slice, slice_value, grain, cohort_start, period_start
    )
);

comment on table {{ warehouse }}.agg_period_activity is
'How many users were active, new, retained, resurrected or churned in a period, per slice. Kept '
'by agg_user_activity.';
comment on column {{ warehouse }}.agg_period_activity.slice is
'all, country, platform or utm_source.';
comment on column {{ warehouse }}.agg_period_activity.slice_value is 'Member of the slice.';
comment on column {{ warehouse }}.agg_period_activity.grain is 'day, week (ISO) or month.';
comment on column {{ warehouse }}.agg_period_activity.cohort_start is
'First active period of these users; -infinity for days, which have no cohorts.';
comment on column {{ warehouse }}.agg_period_activity.period_start is 'First day of the period.';
comment on column {{ warehouse }}.agg_period_activity.active_users is 'Users active in the period.';
comment on column {{ warehouse }}.agg_period_activity.new_users is
'Of these, users in their first period.';
comment on column {{ warehouse }}.agg_period_activity.retained_users is
'Of these, active in the calendar period before.';
comment on column {{ warehouse }}.agg_period_activity.resurrected_users is
'Of these, active before but not in the calendar period before.';
comment on column {{ warehouse }}.agg_period_activity.churned_users is
'Users active in the calendar period before and not in this one.';
comment on column {{ warehouse }}.agg_period_activity.trailing_7_day_change is
'Users who enter the trailing 7 days less those who leave; days only.';
comment on column {{ warehouse }}.agg_period_activity.trailing_28_day_change is
'Users who enter the trailing 28 days less those who leave; days only.';
