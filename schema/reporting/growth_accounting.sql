-- Place: local
create table if not exists {{ reporting }}.growth_accounting (
    grain text not null,
    period_start date not null,
    slice text not null,
    slice_value text not null,
    active_users bigint not null,
    new_users bigint not null,
    retained_users bigint not null,
    resurrected_users bigint not null,
    churned_users bigint,
    quick_ratio numeric,
    retention_rate numeric,
    is_first_period boolean not null,
    is_complete boolean not null,
    constraint growth_accounting_key primary key (grain, period_start, slice, slice_value)
);

comment on table {{ reporting }}.growth_accounting is
'New, retained, resurrected and churned users. One row per grain, period and slice value.';
comment on column {{ reporting }}.growth_accounting.grain is 'day, week (ISO) or month.';
comment on column {{ reporting }}.growth_accounting.period_start is 'First day of the period.';
comment on column {{ reporting }}.growth_accounting.slice is
'all, country, platform or utm_source.';
comment on column {{ reporting }}.growth_accounting.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.growth_accounting.active_users is 'Users active in the period.';
comment on column {{ reporting }}.growth_accounting.new_users is
'Of these, active for the first time.';
comment on column {{ reporting }}.growth_accounting.retained_users is
'Of these, active in the calendar period before.';
comment on column {{ reporting }}.growth_accounting.resurrected_users is
'Of these, active before, not in the calendar period before.';
comment on column {{ reporting }}.growth_accounting.churned_users is
'Users active in the calendar period before and not in this one; null until the period is '
'complete.';
comment on column {{ reporting }}.growth_accounting.quick_ratio is
'(new + resurrected) / churned; null when nobody churned or the period is not complete.';
comment on column {{ reporting }}.growth_accounting.retention_rate is
'retained / active users of the period before; null when there were none or the period is not '
'complete.';
comment on column {{ reporting }}.growth_accounting.is_first_period is
'Whether it is the first period of the slice value, in which everybody is new.';
comment on column {{ reporting }}.growth_accounting.is_complete is
'Whether the data go beyond the last day of the period.';
