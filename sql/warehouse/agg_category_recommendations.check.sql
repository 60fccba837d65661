-- Only what a user has never used is recommended, and only because of what the user does use.

select
    recommendations.user_id,
    recommendations.transaction_category,
    recommendations.reason,
    recommendations.support,
    recommendations.score
from {{ warehouse }}.agg_category_recommendations as recommendations
{{ incremental }} inner join {{ warehouse }}.changed_users as changed
{{ incremental }}     on changed.user_id = recommendations.user_id
left join {{ warehouse }}.agg_user_categories as known
    on
        known.user_id = recommendations.user_id
        and known.transaction_category = recommendations.transaction_category
left join {{ warehouse }}.agg_user_categories as reasons
    on
        reasons.user_id = recommendations.user_id
        and reasons.transaction_category = recommendations.reason
where
    known.user_id is not null
    or reasons.user_id is null
    or 'unknown' in (recommendations.transaction_category, recommendations.reason)
    or recommendations.support < 1
