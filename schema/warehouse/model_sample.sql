-- Place: local
create table if not exists {{ warehouse }}.model_sample (
    user_id text not null,
    cut date not null,
    recency bigint not null,
    active_days bigint not null,
    likes bigint not null,
    shares bigint not null,
    searches bigint not null,
    earns bigint not null,
    redeems bigint not null,
    miles_earned numeric not null,
    miles_redeemed numeric not null,
    category_events jsonb not null,
    constraint model_sample_key primary key (user_id)
);

comment on table {{ warehouse }}.model_sample is
'The users that models are fitted on, and what they had done up to and including the cut: those '
'of the smallest md5(user_id) among the users first seen by then. One row per user.';
comment on column {{ warehouse }}.model_sample.user_id is 'The user.';
comment on column {{ warehouse }}.model_sample.cut is
'The last day that the models know: the end of the month before that of the last day, or the last '
'day itself while fewer than 10 x cluster_count users had been seen by that end.';
comment on column {{ warehouse }}.model_sample.recency is
'Days from the last active day to the cut.';
comment on column {{ warehouse }}.model_sample.active_days is 'Days with an event.';
comment on column {{ warehouse }}.model_sample.likes is 'Likes.';
comment on column {{ warehouse }}.model_sample.shares is 'Shares.';
comment on column {{ warehouse }}.model_sample.searches is 'Searches for rewards.';
comment on column {{ warehouse }}.model_sample.earns is 'Events that earned miles.';
comment on column {{ warehouse }}.model_sample.redeems is 'Events that redeemed miles.';
comment on column {{ warehouse }}.model_sample.miles_earned is
'Miles earned; a negative sum counts as 0.';
comment on column {{ warehouse }}.model_sample.miles_redeemed is
'Miles redeemed; a negative sum counts as 0.';
comment on column {{ warehouse }}.model_sample.category_events is
'Categories used, unknown included, each with its earn, redeem and search events.';
