-- reporting.cluster_quality
-- Grain: one row per number of clusters (cluster_count).
-- Rerun: whole; a few rows.
-- Why:   how many clusters there should be. The silhouette is the simplified one, by the centres of
--        clusters rather than by all pairs of users, whose number grows with the square of users.

insert into {{ this }} (
    cluster_count, users, inertia, simplified_silhouette, smallest_cluster, is_chosen
)
select
    cluster_count,
    sum(users) as users,
    trim_scale(round(sum(squared_distance), 6)) as inertia,
    case
        when cluster_count > 1 then trim_scale(round(sum(silhouette) / sum(users), 6))
    end as simplified_silhouette,
    min(users) as smallest_cluster,
    is_chosen
from {{ warehouse }}.model_cluster_trials
group by cluster_count, is_chosen;
