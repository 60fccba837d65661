-- Only what a user has never used is recommended, and only because of what the user does use.

select
    user_id, transaction_categories, reasons, supports
from {{ warehouse }}.agg_user_recommendations
{{ incremental }} inner join {{ warehouse }}.changed_users using (user_id)
cross join lateral (
    select array_agg(used.transaction_category) as known
    from {{ warehouse }}.agg_user_categories as used
    where used.user_id = agg_user_recommendations.user_id
) as categories
where
    coalesce(transaction_categories && known, true)
    or not reasons <@ known
    or 'unknown' = any(transaction_categories || reasons)
    or 1 > any(supports)
