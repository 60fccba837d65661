select
    pipeline_name,
    status,
    loaded_through,
    built_at
from reporting.freshness
