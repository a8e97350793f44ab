"""The engines of `beside.py`: how each is filled, and how it is asked. Each in the configuration that its own documentation gives for speed."""

import json
import os

import numpy as np

K = 10
DIVISIONS = 1000


class Engine:
    """What an engine can be asked for; a method that is missing is not measured. `vector` and `filtered` get an effort.

    They return what the library does, and as it does; rows are made of that when the clock has stopped.
    """

    package = ""  # of PyPI
    efforts = (10, 12, 14, 16, 20, 24, 32, 40, 48, 64, 80, 96, 128, 192, 256, 384, 512, 768)

    def __init__(self, folder, data):
        raise NotImplementedError

    def bytes(self):
        return None

    def rows(self, answer):
        """The numbers of the rows that were found."""
        raise NotImplementedError


class CompactArtifact(Engine):
    """Records with texts, metadata and vectors; no contents with the hits, as the others."""

    package = "compact-artifact"
    originals = "residual"  # the default
    quantization = "rotated-int8"  # the default beyond 64 dimensions

    def __init__(self, folder, data):
        from compact_artifact import CompactArtifact as Artifact

        space = {"dimension": data.dimension, "quantization": self.quantization, "originals": self.originals}
        self.artifact = Artifact.create(os.path.join(folder, "a"), spaces={"v": space})
        for first in range(0, len(data.vectors), 5_000):
            rows = slice(first, first + 5_000)
            self.artifact.add_batch(
                texts=data.texts[rows],
                metadata=[{"bucket": bucket} for bucket in data.buckets[rows].tolist()],
                embeddings={"v": data.vectors[rows]},
            )
        self.artifact.seal()
        ids = sorted(self.artifact.ids_where({"bucket": {"$gte": 0}}))
        self.row_of = {record: row for row, record in enumerate(ids)}

    def vector(self, query, effort):
        return self.artifact.search(vector=query, k=K, ef_search=effort, fetch=False).ids

    def filtered(self, query, effort, below):
        return self.artifact.search(vector=query, k=K, ef_search=effort, fetch=False, filter={"bucket": {"$lt": below}}).ids

    def words(self, text):
        return self.artifact.search(words=text, k=K, fetch=False).ids

    def hybrid(self, text, query):
        return self.artifact.search(words=text, vector=query, k=K, fetch=False).ids

    def rows(self, ids):
        return [self.row_of[id] for id in ids]


class CompactArtifactCodes(CompactArtifact):
    """The same, which keeps nothing of vectors but codes."""

    originals = "none"


class CompactArtifactUnrotated(CompactArtifact):
    """The same with vectors that are not rotated, which is no default beyond 64 dimensions."""

    quantization = "int8"


class QdrantEdge(Engine):
    package = "qdrant-edge-py"

    def __init__(self, folder, data):
        import qdrant_edge as q

        self.q = q
        config = q.EdgeConfig(
            vectors=q.EdgeVectorParams(size=data.dimension, distance=q.Distance.Cosine),
            hnsw_config=q.HnswIndexConfig(m=16, ef_construct=100, full_scan_threshold=10_000),
            quantization_config=q.ScalarQuantizationConfig(type=q.ScalarType.Int8, always_ram=True),
            optimizers=q.EdgeOptimizersConfig(default_segment_number=1, indexing_threshold=1_000),
        )
        self.shard = q.EdgeShard.create(os.path.join(folder, "a"), config)
        update = q.UpdateOperation
        self.shard.update(update.create_field_index("bucket", q.PayloadSchemaType.Integer))
        self.shard.update(update.create_field_index("text", q.TextIndexParams(scoring=True)))
        for first in range(0, len(data.vectors), 1_000):
            rows = range(first, min(first + 1_000, len(data.vectors)))
            points = [
                q.Point(row, data.vectors[row].tolist(), {"text": data.texts[row], "bucket": int(data.buckets[row])})
                for row in rows
            ]
            self.shard.update(update.upsert_points(points))
        self.shard.optimize()
        self.shard.flush()

    def ask(self, **request):
        return self.shard.query(self.q.QueryRequest(limit=K, with_payload=False, with_vector=False, **request))

    def rows(self, points):
        return [point.id for point in points]

    def nearest(self, query):
        return self.q.Query.Nearest(query.tolist())

    def params(self, effort):
        quantization = self.q.QuantizationSearchParams(rescore=True, oversampling=3.0)
        return self.q.SearchParams(hnsw_ef=effort, quantization=quantization)

    def vector(self, query, effort):
        return self.ask(query=self.nearest(query), params=self.params(effort))

    def filtered(self, query, effort, below):
        condition = self.q.FieldCondition(key="bucket", range=self.q.RangeFloat(lt=float(below)))
        return self.ask(query=self.nearest(query), params=self.params(effort), filter=self.q.Filter(must=[condition]))

    def words(self, text):
        return self.ask(query=self.q.TextQuery("text", text))

    def hybrid(self, text, query):
        prefetch = self.q.Prefetch
        lists = [prefetch(limit=64, query=self.nearest(query)), prefetch(limit=64, query=self.q.TextQuery("text", text))]
        return self.ask(prefetches=lists, query=self.q.Fusion.Rrf(60))


class Zvec(Engine):
    package = "zvec"

    def __init__(self, folder, data):
        import zvec

        self.z = zvec
        zvec.init(log_level=zvec.LogLevel.ERROR, query_threads=1)
        index = zvec.HnswIndexParam(
            metric_type=zvec.MetricType.COSINE,
            m=16,
            ef_construction=200,
            quantize_type=zvec.QuantizeType.INT8,
            use_contiguous_memory=True,
        )
        inverted = zvec.InvertIndexParam(enable_range_optimization=True)
        words = zvec.FtsIndexParam(filters=["lowercase", "stemmer"])
        schema = zvec.CollectionSchema(
            name="a",
            fields=[
                zvec.FieldSchema("bucket", zvec.DataType.INT32, index_param=inverted),
                zvec.FieldSchema("text", zvec.DataType.STRING, index_param=words),
            ],
            vectors=[zvec.VectorSchema("v", zvec.DataType.VECTOR_FP32, data.dimension, index)],
        )
        self.stored = zvec.create_and_open(os.path.join(folder, "a"), schema)
        for first in range(0, len(data.vectors), 1_000):
            rows = range(first, min(first + 1_000, len(data.vectors)))
            self.stored.insert([
                zvec.Doc(str(row), vectors={"v": data.vectors[row].tolist()}, fields={"bucket": int(data.buckets[row]), "text": data.texts[row]})
                for row in rows
            ])
        self.stored.optimize()
        self.stored.flush()

    def ask(self, queries, **rest):
        return self.stored.query(queries, topk=K, output_fields=[], **rest)

    def rows(self, docs):
        return [int(doc.id) for doc in docs]

    def near(self, query, effort):
        return self.z.Query("v", vector=query.tolist(), param=self.z.HnswQueryParam(ef=effort, is_using_refiner=True))

    def vector(self, query, effort):
        return self.ask(self.near(query, effort))

    def filtered(self, query, effort, below):
        return self.ask(self.near(query, effort), filter=f"bucket < {below}")

    def matching(self, text):
        return self.z.Query("text", fts=self.z.Fts(match_string=text))

    def words(self, text):
        return self.ask(self.matching(text))

    def hybrid(self, text, query):
        return self.ask([self.near(query, 64), self.matching(text)], reranker=self.z.RrfReRanker())


class LanceDb(Engine):
    package = "lancedb"
    efforts = (32, 64, 128, 256, 512)

    def __init__(self, folder, data):
        import lancedb
        import pyarrow as pa

        table = pa.table({
            "row": pa.array(range(len(data.vectors)), pa.int32()),
            "text": data.texts,
            "bucket": pa.array(data.buckets, pa.int32()),
            "vector": pa.FixedSizeListArray.from_arrays(pa.array(data.vectors.reshape(-1)), data.dimension),
        })
        self.stored = lancedb.connect(folder).create_table("t", table)
        self.stored.create_index(metric="cosine", vector_column_name="vector", index_type="IVF_HNSW_SQ", num_partitions=1)
        self.stored.create_fts_index("text", use_tantivy=False)
        self.stored.create_scalar_index("bucket")

    def near(self, query, effort):
        search = self.stored.search(query, vector_column_name="vector").distance_type("cosine")
        return search.nprobes(1).ef(effort).refine_factor(2)

    def ask(self, search):
        return search.select(["row"]).limit(K).to_arrow()

    def vector(self, query, effort):
        return self.ask(self.near(query, effort))

    def filtered(self, query, effort, below):
        return self.ask(self.near(query, effort).where(f"bucket < {below}", prefilter=True))

    def words(self, text):
        return self.ask(self.stored.search(text, query_type="fts"))

    def hybrid(self, text, query):
        search = self.stored.search(query_type="hybrid", vector_column_name="vector").vector(query).text(text)
        return search.distance_type("cosine").nprobes(1).select(["row", "text"]).limit(K).to_arrow()

    def rows(self, table):
        return table["row"].to_pylist()


class Usearch(Engine):
    package = "usearch"

    def __init__(self, folder, data):
        from usearch.index import Index

        self.index = Index(ndim=data.dimension, metric="cos", dtype="i8", connectivity=16, expansion_add=200)
        self.index.add(np.arange(len(data.vectors)), data.vectors, threads=data.threads)

    def bytes(self):
        return self.index.serialized_length

    def vector(self, query, effort):
        self.index.expansion_search = effort
        return self.index.search(query, K, threads=1)

    def rows(self, found):
        return found.keys


class Hnswlib(Engine):
    package = "hnswlib"

    def __init__(self, folder, data):
        import hnswlib

        self.index = hnswlib.Index(space="ip", dim=data.dimension)
        self.index.init_index(max_elements=len(data.vectors), M=16, ef_construction=200)
        self.index.add_items(data.vectors, num_threads=data.threads)
        self.index.set_num_threads(1)

    def vector(self, query, effort):
        self.index.set_ef(effort)
        return self.index.knn_query(query, k=K)

    def rows(self, found):
        return found[0][0]


class Faiss(Engine):
    package = "faiss-cpu"

    def __init__(self, folder, data):
        import faiss

        self.faiss = faiss
        faiss.omp_set_num_threads(data.threads)
        self.index = faiss.IndexHNSWSQ(data.dimension, faiss.ScalarQuantizer.QT_8bit, 16, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = 200
        self.index.train(data.vectors)
        self.index.add(data.vectors)
        faiss.omp_set_num_threads(1)
        self.buckets = data.buckets

    def bytes(self):
        return len(self.faiss.serialize_index(self.index))

    def vector(self, query, effort):
        self.index.hnsw.efSearch = effort
        return self.index.search(query[None], K)

    def rows(self, found):
        return found[1][0]


class Glass(Engine):
    """Walks in 8-bit codes, refined by 16-bit floats."""

    package = "pyglass-portable"

    def __init__(self, folder, data):
        import glass

        glass.set_num_threads(data.threads)
        graph = glass.Index("HNSW", "IP", quant="SQ8U", R=32, L=200).build(data.vectors)
        self.searcher = glass.Searcher(graph, data.vectors, "IP", "SQ8U", "FP16")
        self.searcher.optimize(1)

    def vector(self, query, effort):
        self.searcher.set_ef(effort)
        return self.searcher.search(query, K)

    def rows(self, found):
        return found[0]


class SymphonyQg(Engine):
    package = "rabitqlib"

    def __init__(self, folder, data):
        import rabitqlib

        self.path = os.path.join(folder, "a")
        self.index = rabitqlib.SymqgIndex(data.dimension, 32, "ip")
        self.index.build(data.vectors, 200, data.threads, "random")
        self.index.save(self.path)

    def bytes(self):
        return os.path.getsize(self.path)

    def vector(self, query, effort):
        return self.index.search(query[None], K, effort)

    def rows(self, found):
        return np.ravel(found[0])


class RabitqHnsw(Engine):
    package = "rabitqlib"

    def __init__(self, folder, data):
        import rabitqlib

        self.path = os.path.join(folder, "a")
        centroids = data.vectors[:: max(1, len(data.vectors) // 16)][:16]
        clusters = np.argmax(data.vectors @ centroids.T, axis=1).astype(np.uint32)
        self.index = rabitqlib.HnswIndex(data.dimension, len(data.vectors), 16, 200, 5, "ip")
        self.index.build(data.vectors, centroids, clusters, data.threads)
        self.index.save(self.path)

    def bytes(self):
        return os.path.getsize(self.path)

    def vector(self, query, effort):
        return self.index.search(query[None], K, effort)

    def rows(self, found):
        return np.ravel(found[0])


class Svs(Engine):
    """Vamana over LVQ codes of 4 and 8 bits; over 16-bit floats where the package has no LVQ for the machine."""

    package = "scalable-vs"

    def __init__(self, folder, data):
        import svs

        parameters = svs.VamanaBuildParameters(alpha=0.95, graph_max_degree=32, window_size=200)
        ip, threads = svs.DistanceType.MIP, data.threads
        path = os.path.join(folder, "vectors.svs")
        try:
            svs.write_vecs(data.vectors, path + ".fvecs")
            svs.convert_vecs_to_svs(path + ".fvecs", path)
            loader = svs.LVQLoader(svs.VectorDataLoader(path, svs.DataType.float32), primary=4, residual=8)
            self.index = svs.Vamana.build(parameters, loader, ip, num_threads=threads)
        except Exception as error:
            self.note = f"without LVQ: {str(error).splitlines()[0][:60]}"
            self.index = svs.Vamana.build(parameters, data.vectors.astype(np.float16), ip, num_threads=threads)
        self.index.num_threads = 1

    def vector(self, query, effort):
        self.index.search_window_size = effort
        return self.index.search(query[None], K)

    def rows(self, found):
        return found[0][0]


ENGINES = {
    engine.__name__: engine
    for engine in (CompactArtifact, CompactArtifactCodes, CompactArtifactUnrotated, QdrantEdge, Zvec, LanceDb, Usearch, Hnswlib, Faiss, Glass, SymphonyQg, RabitqHnsw, Svs)
}


def buckets(count):
    """A number below 1,000 for each row, with nothing in common with its vector."""
    rows = np.arange(count, dtype=np.uint64)
    mixed = (rows + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return ((mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(40)).astype(np.int64) % DIVISIONS


def texts_of(lines):
    return [json.loads(line)["text"] for line in lines]
