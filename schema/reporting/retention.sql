-- Place: local
create table if not exists {{ reporting }}.retention (
    grain text not null,
    cohort_start date,
    period_number integer not null,
    slice text not null,
    slice_value text not null,
    cohort_size bigint not null,
    active_users bigint not null,
    retention_rate numeric,
    cohorts bigint,
    is_complete boolean not null,
    constraint retention_key unique nulls not distinct (
        grain, cohort_start, period_number, slice, slice_value
    )
);

comment on table {{ reporting }}.retention is
'Who stays: cohorts of users by their first active period. One row per grain, cohort, period '
'number and slice value.';
comment on column {{ reporting }}.retention.grain is 'week (ISO) or month.';
comment on column {{ reporting }}.retention.cohort_start is
'First active period of the cohort; null in the average over all cohorts.';
comment on column {{ reporting }}.retention.period_number is
'Periods since cohort_start; 0 is the one of the cohort itself.';
comment on column {{ reporting }}.retention.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.retention.slice_value is 'Member of the slice; all in slice all.';
comment on column {{ reporting }}.retention.cohort_size is 'Users of the cohort.';
comment on column {{ reporting }}.retention.active_users is 'Of these, active in that period.';
comment on column {{ reporting }}.retention.retention_rate is 'active_users / cohort_size.';
comment on column {{ reporting }}.retention.cohorts is
'Cohorts in the average; null in the row of a cohort.';
comment on column {{ reporting }}.retention.is_complete is
'Whether the data go beyond the last day of the period.';
