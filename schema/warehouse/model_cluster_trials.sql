-- Place: local
create table if not exists {{ warehouse }}.model_cluster_trials (
    cluster_count integer not null,
    cluster integer not null,
    users bigint not null,
    squared_distance numeric not null,
    silhouette numeric not null,
    is_chosen boolean not null,
    constraint model_cluster_trials_key primary key (cluster_count, cluster)
);

comment on table {{ warehouse }}.model_cluster_trials is
'The clusters in use, and those that other numbers of clusters would give for model_sample. One '
'row per number of clusters and cluster. Kept by model_user_clusters.';
comment on column {{ warehouse }}.model_cluster_trials.cluster_count is
'Number of clusters; no more than there are distinct points.';
comment on column {{ warehouse }}.model_cluster_trials.cluster is 'Number of the cluster.';
comment on column {{ warehouse }}.model_cluster_trials.users is 'Users of the sample in it.';
comment on column {{ warehouse }}.model_cluster_trials.squared_distance is
'Sum of the squares of their distances to its centre.';
comment on column {{ warehouse }}.model_cluster_trials.silhouette is
'Sum over these users of 1 - distance to its centre / distance to the next one.';
comment on column {{ warehouse }}.model_cluster_trials.is_chosen is
'Whether it is the number of clusters in use.';
