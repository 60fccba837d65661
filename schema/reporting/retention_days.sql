-- Place: local
create table if not exists {{ reporting }}.retention_days (
    grain text not null,
    cohort_start date,
    day_number integer not null,
    slice text not null,
    slice_value text not null,
    cohort_size bigint not null,
    eligible_users bigint not null,
    retained_users bigint not null,
    returned_users bigint not null,
    retention_rate numeric not null,
    return_rate numeric not null,
    cohorts bigint,
    is_complete boolean not null,
    constraint retention_days_key unique nulls not distinct (
        grain, cohort_start, day_number, slice, slice_value
    )
);

comment on table {{ reporting }}.retention_days is
'How many of the users who came in a week or month are active so many days later, and how many '
'have come back by then. One row per grain, cohort, day number and slice value, and the average '
'of the complete cohorts.';
comment on column {{ reporting }}.retention_days.grain is 'week (ISO) or month.';
comment on column {{ reporting }}.retention_days.cohort_start is
'First day of the period of the cohort; null in the average.';
comment on column {{ reporting }}.retention_days.day_number is
'Days after the first active day: 1, 3, 7, 14, 30, 60 or 90.';
comment on column {{ reporting }}.retention_days.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.retention_days.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.retention_days.cohort_size is
'Users whose first active day is in the period.';
comment on column {{ reporting }}.retention_days.eligible_users is
'Of these, users whose day of that number is over.';
comment on column {{ reporting }}.retention_days.retained_users is
'Of the eligible, active on exactly that day.';
comment on column {{ reporting }}.retention_days.returned_users is
'Of the eligible, active on at least one day after the first up to that day.';
comment on column {{ reporting }}.retention_days.retention_rate is
'retained_users / eligible_users.';
comment on column {{ reporting }}.retention_days.return_rate is 'returned_users / eligible_users.';
comment on column {{ reporting }}.retention_days.cohorts is
'Cohorts in the average; null in the row of a cohort.';
comment on column {{ reporting }}.retention_days.is_complete is
'Whether the day of that number is over for all first days of the period.';
