-- Place: local
create table if not exists {{ reporting }}.acquisition (
    utm_source text not null,
    cohort_start date not null,
    new_users bigint not null,
    activation_eligible bigint not null,
    activated_users bigint not null,
    activation_rate numeric,
    week_1_eligible bigint not null,
    week_1_retained bigint not null,
    week_1_rate numeric,
    week_4_eligible bigint not null,
    week_4_retained bigint not null,
    week_4_rate numeric,
    miles_per_user numeric,
    redeemers bigint not null,
    cost numeric,
    cost_is_dated boolean,
    cost_per_new_user numeric,
    cost_per_activated_user numeric,
    is_complete boolean not null,
    constraint acquisition_key primary key (utm_source, cohort_start)
);

comment on table {{ reporting }}.acquisition is
'What each source brings. One row per source and month of the first event.';
comment on column {{ reporting }}.acquisition.utm_source is 'Source of the first event of a user.';
comment on column {{ reporting }}.acquisition.cohort_start is 'Month of the first event.';
comment on column {{ reporting }}.acquisition.new_users is
'Users of the cohort; 0 where only a cost was given.';
comment on column {{ reporting }}.acquisition.activation_eligible is
'Of these, users whose first 168 hours are over.';
comment on column {{ reporting }}.acquisition.activated_users is
'Of the eligible, users who earned miles within these hours.';
comment on column {{ reporting }}.acquisition.activation_rate is
'activated_users / activation_eligible; null while nobody is eligible.';
comment on column {{ reporting }}.acquisition.week_1_eligible is
'Users whose ISO week after their first one is complete.';
comment on column {{ reporting }}.acquisition.week_1_retained is 'Of these, active in that week.';
comment on column {{ reporting }}.acquisition.week_1_rate is
'week_1_retained / week_1_eligible; null while nobody is eligible.';
comment on column {{ reporting }}.acquisition.week_4_eligible is
'Users whose fourth ISO week after their first one is complete.';
comment on column {{ reporting }}.acquisition.week_4_retained is 'Of these, active in that week.';
comment on column {{ reporting }}.acquisition.week_4_rate is
'week_4_retained / week_4_eligible; null while nobody is eligible.';
comment on column {{ reporting }}.acquisition.miles_per_user is
'Miles earned so far / new_users; older cohorts have had more time.';
comment on column {{ reporting }}.acquisition.redeemers is
'Users who ever redeemed miles; older cohorts have had more time.';
comment on column {{ reporting }}.acquisition.cost is
'What the source cost in the month, or costs a month now if no month of it is known; null while '
'the month runs, or if nothing is known.';
comment on column {{ reporting }}.acquisition.cost_is_dated is
'Whether the cost was given for this month; false if it is the current monthly cost, which may '
'change; null without a cost.';
comment on column {{ reporting }}.acquisition.cost_per_new_user is
'cost / new_users; null without either.';
comment on column {{ reporting }}.acquisition.cost_per_activated_user is
'cost / activated_users; null until the 168 hours of all users of the cohort are over, and without '
'either.';
comment on column {{ reporting }}.acquisition.is_complete is 'Whether the month is over.';
