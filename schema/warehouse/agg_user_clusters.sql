create table if not exists {{ warehouse }}.agg_user_clusters (
    is_sample boolean not null,
    cluster_count integer not null,
    user_id text not null,
    cluster integer not null,
    squared_distance numeric not null,
    next_squared_distance numeric,
    constraint agg_user_clusters_key primary key (is_sample, cluster_count, user_id)
);

comment on table {{ warehouse }}.agg_user_clusters is
'Who is in which cluster: of all users in the clusters in use, and of a sample in other numbers of '
'clusters, tried for comparison. One row per trial and user.';
comment on column {{ warehouse }}.agg_user_clusters.is_sample is
'False: the clusters in use, of all users. True: tried on the sample, from fewer starts.';
comment on column {{ warehouse }}.agg_user_clusters.cluster_count is
'Clusters wanted; fewer if there are fewer different users.';
comment on column {{ warehouse }}.agg_user_clusters.user_id is 'The user.';
comment on column {{ warehouse }}.agg_user_clusters.cluster is
'Number of the cluster, from the largest; of equal ones, the one with the smallest user_id first.';
comment on column {{ warehouse }}.agg_user_clusters.squared_distance is
'Square of the distance to the middle of the own cluster.';
comment on column {{ warehouse }}.agg_user_clusters.next_squared_distance is
'Square of the distance to the nearest middle of another cluster; null without another.';
