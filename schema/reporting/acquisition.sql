create table if not exists {{ reporting }}.acquisition (
    utm_source text not null,
    cohort_start date not null,
    new_users bigint not null,
    activated_users bigint not null,
    week_1_retained bigint,
    week_4_retained bigint,
    miles_per_user numeric not null,
    redeemers bigint not null,
    cost numeric,
    cost_per_activated_user numeric,
    constraint acquisition_key primary key (utm_source, cohort_start)
);

comment on table {{ reporting }}.acquisition is
'What each source brings. One row per source and month of the first event.';
comment on column {{ reporting }}.acquisition.utm_source is 'Source of the first event of a user.';
comment on column {{ reporting }}.acquisition.cohort_start is 'Month of the first event.';
comment on column {{ reporting }}.acquisition.new_users is 'Users of the cohort.';
comment on column {{ reporting }}.acquisition.activated_users is
'Of these, who earned miles within 168 hours of the first event.';
comment on column {{ reporting }}.acquisition.week_1_retained is
'Of these, active in the ISO week after their first; null until that week is complete for all.';
comment on column {{ reporting }}.acquisition.week_4_retained is
'Of these, active in the fourth ISO week after their first; null until that week is complete for '
'all.';
comment on column {{ reporting }}.acquisition.miles_per_user is 'Miles earned so far / new_users.';
comment on column {{ reporting }}.acquisition.redeemers is 'Of these, who ever redeemed miles.';
comment on column {{ reporting }}.acquisition.cost is
'What the source costs a month now; null without a campaign.';
comment on column {{ reporting }}.acquisition.cost_per_activated_user is
'cost / activated_users; null without either.';
