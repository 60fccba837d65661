-- Place: local
create table if not exists {{ reporting }}.cohort_value (
    cohort_start date not null,
    period_number integer not null,
    slice text not null,
    slice_value text not null,
    cohort_size bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    miles_earned_per_user numeric not null,
    redemption_rate numeric,
    redeemers bigint not null,
    is_complete boolean not null,
    constraint cohort_value_key primary key (cohort_start, period_number, slice, slice_value)
);

comment on table {{ reporting }}.cohort_value is
'What the users who came in a month have earned and redeemed up to so many months later. One row '
'per cohort, number of months and slice value.';
comment on column {{ reporting }}.cohort_value.cohort_start is
'Month of the first event of these users.';
comment on column {{ reporting }}.cohort_value.period_number is
'Months since; 0 is the month of the cohort itself.';
comment on column {{ reporting }}.cohort_value.slice is 'all, country, platform or utm_source.';
comment on column {{ reporting }}.cohort_value.slice_value is
'Member of the slice; all in slice all.';
comment on column {{ reporting }}.cohort_value.cohort_size is 'Users of the cohort.';
comment on column {{ reporting }}.cohort_value.miles_earned is
'Miles that they earned from the first month to this one.';
comment on column {{ reporting }}.cohort_value.miles_redeemed is
'Miles that they redeemed from the first month to this one.';
comment on column {{ reporting }}.cohort_value.miles_earned_per_user is
'miles_earned / cohort_size.';
comment on column {{ reporting }}.cohort_value.redemption_rate is
'miles_redeemed / miles_earned; null when none were earned.';
comment on column {{ reporting }}.cohort_value.redeemers is
'Users who have redeemed at least once so far.';
comment on column {{ reporting }}.cohort_value.is_complete is
'Whether the data go beyond the last day of the month.';
