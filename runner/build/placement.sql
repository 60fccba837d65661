-- distribute --
-- Distribute a table that is not distributed yet, colocated with the tables whose distribution
-- column has the same type.
select
    create_distributed_table(
        {{ table }},
        {{ column }},
        colocate_with => coalesce(
            (
                select format('%I.%I', relations.relnamespace::regnamespace, relations.relname)
                from pg_dist_partition as placed
                inner join pg_dist_colocation as groups using (colocationid)
                inner join pg_class as relations on relations.oid = placed.logicalrelid
                inner join pg_attribute as columns
                    on columns.atttypid = groups.distributioncolumntype
                where
                    relations.relnamespace::regnamespace::text = any({{ schemas }})
                    and columns.attrelid = {{ table }}::regclass
                    and columns.attname = {{ column }}
                order by relations.oid
                limit 1
            ),
            'default'
        )
    )
where
    not exists (
        select from pg_dist_partition as placed where placed.logicalrelid = {{ table }}::regclass
    );

-- replicate --
-- Make a table a reference table, if it is not distributed yet: every worker has a copy.
select create_reference_table({{ table }})
where
    not exists (
        select from pg_dist_partition as placed where placed.logicalrelid = {{ table }}::regclass
    );

-- has_citus --
-- Whether this database is the coordinator of a cluster.
select exists (select from pg_extension where extname = 'citus') as has_citus

-- away --
-- The workers that do not answer.
select format('%%s:%%s', nodes.nodename, nodes.nodeport) as worker
from pg_dist_node as nodes
where
    nodes.isactive
    and nodes.noderole = 'primary'
    and not citus_check_connection_to_node(nodes.nodename, nodes.nodeport)
order by worker

-- recover --
-- Commit or roll back the transactions that were prepared on a worker when it was lost.
select recover_prepared_transactions() as transactions

-- placed --
-- How each table that is not local is distributed.
select
    format('%%I.%%I', relations.relnamespace::regnamespace, relations.relname) as table_name,
    case placed.partmethod
        when 'n' then 'reference'
        else 'distributed by ' || column_to_column_name(placed.logicalrelid, placed.partkey)
    end as place
from pg_dist_partition as placed
inner join pg_class as relations on relations.oid = placed.logicalrelid
where placed.partmethod <> 'n' or placed.repmodel = 't'
