-- Place: local
create table if not exists {{ reporting }}.user_segments (
    kind text not null,
    name text not null,
    label text,
    users bigint not null,
    share numeric not null,
    median_recency_days numeric not null,
    median_active_days numeric not null,
    median_miles_earned numeric not null,
    median_miles_redeemed numeric not null,
    constraint user_segments_key primary key (kind, name)
);

comment on table {{ reporting }}.user_segments is
'Who the users are. One row per kind of group and name; small groups are shown together.';
comment on column {{ reporting }}.user_segments.kind is
'rule: a segment by rule. cluster: a group that k-means found.';
comment on column {{ reporting }}.user_segments.name is
'Segment, or number of the cluster from the most active; other for groups of fewer than min_cell '
'users.';
comment on column {{ reporting }}.user_segments.label is
'What sets the cluster apart: its two features furthest from the mean; null of segments and other.';
comment on column {{ reporting }}.user_segments.users is 'Users in the group.';
comment on column {{ reporting }}.user_segments.share is 'users / all users.';
comment on column {{ reporting }}.user_segments.median_recency_days is
'Median of the days from the last active day of a user to the last day of the data.';
comment on column {{ reporting }}.user_segments.median_active_days is
'Median of the days on which a user was active, lifetime.';
comment on column {{ reporting }}.user_segments.median_miles_earned is
'Median of the miles that a user earned, lifetime.';
comment on column {{ reporting }}.user_segments.median_miles_redeemed is
'Median of the miles that a user redeemed, lifetime.';
