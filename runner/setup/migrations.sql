-- targets --
-- The targets that were built.
select distinct built.target
from orchestrator.built_scripts as built
order by built.target
