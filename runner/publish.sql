-- Publish: what {{ fresh }} does not have goes, what differs comes.
-- Readers see it when the build commits.
delete from {{ live }} as stored
using (
    select {{ keys }} from {{ live }}
    except
    select {{ keys }} from {{ fresh }}
) as gone
where {{ is_same_key }};

insert into {{ live }} ({{ columns }})
select {{ columns }}
from (
    select {{ columns }} from {{ fresh }}
    except
    select {{ columns }} from {{ live }}
) as come
order by {{ keys }}
on conflict ({{ keys }}) do {{ action }};
