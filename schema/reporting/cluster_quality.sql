-- Place: local
create table if not exists {{ reporting }}.cluster_quality (
    cluster_count integer not null,
    users bigint not null,
    inertia numeric not null,
    simplified_silhouette numeric,
    smallest_cluster bigint not null,
    is_chosen boolean not null,
    constraint cluster_quality_key primary key (cluster_count)
);

comment on table {{ reporting }}.cluster_quality is
'What each number of clusters would give for the model''s sample as of its cut. One row per '
'number of clusters.';
comment on column {{ reporting }}.cluster_quality.cluster_count is
'The number of clusters: 2 to 8 and the one in use; no more than there are distinct points.';
comment on column {{ reporting }}.cluster_quality.users is
'Users of the sample: model_users of those seen by the cut, or all of them.';
comment on column {{ reporting }}.cluster_quality.inertia is
'Sum of the squared distances of users to the centre of their cluster.';
comment on column {{ reporting }}.cluster_quality.simplified_silhouette is
'Mean of 1 - distance to the own centre / distance to the next one; null for one cluster. By '
'centres rather than by all pairs of users, it looks better than the full silhouette.';
comment on column {{ reporting }}.cluster_quality.smallest_cluster is
'Users in the smallest cluster.';
comment on column {{ reporting }}.cluster_quality.is_chosen is
'Whether it is the number of clusters in use.';
