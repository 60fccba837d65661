create table if not exists {{ reporting }}.cluster_quality (
    cluster_count integer not null,
    users bigint not null,
    inertia numeric not null,
    silhouette numeric,
    smallest_cluster bigint not null,
    is_chosen boolean not null,
    constraint cluster_quality_key primary key (cluster_count)
);

comment on table {{ reporting }}.cluster_quality is
'What each number of clusters would give, tried on a sample. One row per number of clusters.';
comment on column {{ reporting }}.cluster_quality.cluster_count is
'The number of clusters: 2 to 8 and the one in use, but no more than there are different users.';
comment on column {{ reporting }}.cluster_quality.users is
'Users it was tried on: all, or cluster_sample of them.';
comment on column {{ reporting }}.cluster_quality.inertia is
'Sum of the squared distances of users to the middle of their cluster.';
comment on column {{ reporting }}.cluster_quality.silhouette is
'Mean of 1 - distance to the own middle / distance to the nearest other one; null of one cluster.';
comment on column {{ reporting }}.cluster_quality.smallest_cluster is
'Users in the smallest cluster.';
comment on column {{ reporting }}.cluster_quality.is_chosen is
'Whether it is the number of clusters in use.';
