//! Indonesian.

use orrery_api::lock::LockAnswer;
use orrery_api::queue::Settlement;
use orrery_base::error::ErrorCode;
use orrery_event::fact::Role;

use super::number::{duration, grouped};
use super::{Clock, Cluster, Lang, Legend, Locks, Meaning, Queue, Scenarios, Strings, Trouble, Ui};
use crate::request::queue::{QueueAnswer, QueueAsk};

pub static STRINGS: Strings = Strings {
    lang: Lang::Id,
    ui: Ui {
        layers: "Lapisan",
        layer_consensus: "Konsensus",
        layer_locks: "Kunci",
        layer_queue: "Cincin antrean",
        scenarios: "Skenario",
        faults: "Gangguan sekarang",
        no_faults: "tidak ada",
        tab_locks: "Kunci",
        tab_queue: "Antrean",
        tab_log: "Log",
        tab_inspect: "Periksa",
        tab_feed: "Peristiwa",
        panels: "Panel",
        stage: "Panggung",
        tape: "Rekaman",
        language: "Bahasa",
        theme_light: "Tema proyektor (terang)",
        theme_dark: "Tema observatorium (gelap)",
        legend: "Keterangan dan tombol",
        close: "Tutup",
        table_title: "Panggung sebagai tabel",
        feed: "Yang terjadi",
        feed_empty: "Belum terjadi apa-apa.",
        feed_detail: "setiap pesan dan entri",
        skip: "Langsung ke panel",
        motion: "Kurangi gerak",
        raw_times: |from, to| {
            if from == to { format!("waktu asli {from}") } else { format!("waktu asli {from} sampai {to}") }
        },
        shown_slower: |times| format!("ditampilkan {}× lebih lambat", grouped(times, Lang::Id)),
        more_alike: |count| format!("dan {count} lagi sejenis"),
        nothing_yet: "Menunggu fakta pertama dari node.",
    },
    clock: Clock {
        transport: "Jam tampilan",
        back_mark: "Kembali ke peristiwa sebelumnya (pemilihan, gangguan, kunci)",
        step_back: "Mundur satu fakta",
        step: "langkah",
        pause: "Jeda tampilan",
        play: "Lanjutkan tampilan",
        step_forward: "Maju satu fakta",
        to_live: "Ke saat ini",
        rate: "Kecepatan tampilan",
        rate_hundredth: "1/100×",
        rate_director: "sutradara",
        rate_real: "1×",
        live: "LANGSUNG",
        behind: |time| format!("TERLAMBAT {time}"),
        paused_behind: |time| format!("‖ TERLAMBAT {time}"),
        director_hint: "Melambat sendiri untuk pemilihan, pemberian kunci dan kebuntuan, lalu menyusul",
    },
    locks: Locks {
        act_as: "Sebagai",
        add_client: "Tambah klien",
        client_name: "Nama klien baru",
        resource: "Sumber daya",
        mode: "Mode",
        exclusive: "eksklusif",
        shared: "bersama",
        acquire: "Ambil",
        queue: "Antre",
        release: "Lepas",
        renew: "Perpanjang",
        cancel_wait: |client, resource| format!("Akhiri penantian {client} untuk {resource}"),
        ask_node: "Tanya",
        any_node: "node mana saja",
        lease: "Sewa",
        asking: |client, node| format!("{client} bertanya kepada {node} …"),
        answered_by: |node, status, took| format!("{node} · {status} · {took}"),
        empty: "Tidak ada yang memegang atau menginginkan apa pun. Ambil sesuatu untuk melihat lajurnya.",
        free: "bebas",
        token: "token",
        session_lease: "sesi",
        expires_in: |time| format!("sisa sewa {time}"),
        waits_for: "Menunggu",
        no_waits: "Tidak ada yang saling menunggu.",
        no_cycle: "tanpa siklus",
        cycle_found: "siklus ditemukan",
        refused: "ditolak",
        wants: |number, resource| format!("{number} ingin {resource}"),
        lane_label: |resource, holders, waiters| {
            format!("{resource}: dipegang {holders}; menunggu, berurutan: {waiters}")
        },
        upgrade: "naik",
        choose_resource: "Beri nama sumber daya dulu.",
    },
    queue: Queue {
        topic: "Topik",
        key: "Kunci partisi",
        message: "Pesan",
        publish: "Terbitkan",
        stream: "Aliran",
        stop: "Hentikan",
        rate: "Laju",
        per_second: |rate| format!("{rate} per dtk"),
        streamed: |sent, failed| match failed {
            0 => format!("{sent} terkirim"),
            _ => format!("{sent} terkirim, {failed} gagal"),
        },
        group: "Grup",
        all_groups: "semua",
        max: "Paling banyak",
        visibility: "Tersembunyi",
        consume: "Konsumsi",
        ack: "Ack",
        ack_hint: "Akui: grup selesai dengannya",
        nack: "Nack",
        nack_hint: "Kembalikan: pesan dikirim lagi",
        crash: |consumer| format!("{consumer} macet"),
        crash_hint: "Tidak pernah mengakui: pesannya kembali setelah terlihat lagi",
        visible_again: "terlihat lagi",
        dead_now: "pesan mati",
        ready: "siap",
        in_flight: "dibawa",
        delayed: "ditunda",
        acknowledged: "diakui",
        dead: "mati",
        redrive: "Antrekan lagi",
        more: |count| format!("dan {count} lagi"),
        behind_key: |count| format!("{count} menunggu pesan sebelumnya dengan kunci yang sama"),
        flight_label: |consumer, id, attempt, rest| {
            format!("{consumer} memegang {id}, percobaan {attempt}; terlihat lagi dalam {rest}")
        },
        letter_label: |attempts| format!("pesan mati setelah {attempts} percobaan"),
        empty: "Belum ada topik. Terbitkan pesan untuk melihat wadahnya.",
        choose_topic: "Sebutkan topik dahulu.",
        ring: "Cincin hash",
        shard: "Shard",
        token: "Token",
        replicas: "Replika, ★ pemimpin utama",
        preferred: "pemimpin yang diutamakan",
        no_majority: "tanpa mayoritas",
        no_leader: "tanpa pemimpin",
        no_shards: "Klaster ini tidak punya shard.",
        skip_leader: "sudah memimpin sebanyak batasnya",
        skip_replica: "sudah memegang replika sebanyak batasnya",
        skip_reserved: "tempatnya disimpan untuk shard berikutnya",
        moved: "berpindah",
        moved_so_far: "sudah pindah",
        ideal: "ideal",
        modulo: "hashing modulo",
        replicas_moved: |moved, total| format!("Perubahan terakhir: {moved} dari {total} replika berpindah"),
        keys_moved: |sets, leaders| {
            format!(
                "Dari semua kunci, {sets}\u{a0}% berganti himpunan replika, {leaders}\u{a0}% berganti pemimpin utama."
            )
        },
        balance: |before, after| {
            format!("Replika terbanyak satu node dibanding rata-rata: {before} sebelumnya, {after} sekarang.")
        },
        no_change: "Belum ada perubahan cincin yang terlihat: tambah atau keluarkan node.",
    },
    cache: &super::id_cache::CACHE,
    cluster: Cluster {
        term: "masa",
        leader: "pemimpin",
        no_leader: "tidak ada",
        up_of: |up, all| (up.to_string(), format!("dari {all} hidup")),
        committed: "ditetapkan",
        timing: |profile| match profile {
            "classroom" => "waktu kelas",
            "wan" => "waktu untuk node yang jauh",
            "realistic" => "waktu nyata",
            _ => "waktu tak diketahui",
        },
        role: |role| match role {
            Role::Learner => "pelajar",
            Role::Follower => "pengikut",
            Role::Candidate => "calon",
            Role::Leader => "pemimpin",
        },
        down: "mati",
        paused: "dijeda",
        running: "berjalan",
        unknown: "tak diketahui",
        silent: "diam",
        deposed: "sudah digantikan, dan belum tahu",
        stale: "sebagian peristiwanya hilang",
        quorum: "kuorum",
        leads: |leader, commit| format!("{leader} memimpin · tetap {commit}"),
        electing: "pemilihan",
        node: "Node",
        address: "Alamat",
        boot: "Boot",
        status: "Proses",
        role_title: "Peran",
        voted_for: "Memilih",
        nobody: "tidak ada",
        follows: "Mengikuti",
        last_entry: "Entri terakhir",
        on_disk: "Di cakramnya",
        applied: "Diterapkan",
        snapshot_through: "Snapshot sampai",
        heard: "Kabar dari pemimpin",
        ago: |time| format!("{time} lalu"),
        links: "Sambungan",
        link_up: "terbuka",
        link_down: "putus",
        link_cut: "dipotong",
        clock_altered: |offset| format!("jamnya meleset {offset}"),
        kill: "Matikan",
        start: "Mulai",
        pause: "Jeda",
        resume: "Lanjutkan",
        add: "Tambah node",
        add_hint: "Sebuah proses baru bergabung; shard pindah kepadanya satu per satu",
        remove: "Keluarkan dari klaster",
        remove_hint: "Shard-nya pindah dulu, lalu ia keluar dan prosesnya berakhir",
        make_leader: "Jadikan pemimpin",
        make_leader_hint: "Pemimpin menyerahkan tugas kepada node ini",
        kill_hint: "SIGKILL: yang belum di cakramnya hilang",
        pause_hint: "SIGSTOP: node diam dan tidak menyadarinya",
        no_supervisor: "Halaman ini berasal dari sebuah node, dan tidak ada pengawas yang menjawab: proses tidak dapat dimulai atau dimatikan dari sini.",
        choose_node: "Klik sebuah node di panggung, atau pilih di sini.",
        log_hint: "Satu baris tiap node, satu kolom tiap indeks log.",
        log_empty: "Belum ada entri log.",
        index: "indeks",
        mark_missing: "tidak ada",
        mark_uncommitted: "belum ditetapkan",
        mark_committed: "ditetapkan",
        quorum_line: |index| format!("kuorum memiliki entri {index}"),
        flights: "Pesan di perjalanan",
        from: "Dari",
        to: "Ke",
        message: "Pesan",
        sent_at: "Dikirim",
        no_flights: "Tidak ada pesan di perjalanan.",
        node_label: |node, shown, role, status| format!("{node} {shown}: {role}, {status}"),
        fault_killed: |node, ago| format!("{node} dimatikan {ago} lalu"),
        fault_down: |node, ago| format!("{node} mati selama {ago}"),
        fault_paused: |node, ago| format!("{node} dijeda selama {ago}"),
        fault_cut: |from, to| format!("{from} → {to} dipotong"),
        loses: "hilang",
        fault_gap: |node, events| format!("{events} peristiwa {node} hilang"),
        fault_clock: |node, offset| format!("jam {node} meleset {offset}"),
        has_left: |node| format!("{node} sudah keluar dari klaster. Pilih node lain."),
        which_log: |group| format!("Log {group}."),
        control_group: "grup kontrol",
    },
    scenarios: Scenarios {
        leader_crash: Meaning {
            name: "Pemimpin mati",
            text: "Mematikan proses pemimpin. Yang lain menyadari keheningan dan memilih pengganti.",
        },
        deadlock_two: Meaning {
            name: "Kebuntuan dua",
            text: "Dua klien masing-masing memegang yang diinginkan lainnya. Penantian termuda ditolak.",
        },
        deadlock_three: Meaning {
            name: "Kebuntuan tiga",
            text: "Tiga klien menunggu melingkar. Penantian termuda ditolak.",
        },
        holder_dies: Meaning {
            name: "Pemegang hilang: sewa, token",
            text: "Sebuah klien mengambil kunci dengan sewa pendek lalu diam. Sewanya habis, berikutnya mendapat token lebih besar.",
        },
        stale_leader: Meaning {
            name: "Partisi, pemimpin usang",
            text: "Memutus pemimpin dari yang lain. Ia tetap merasa memimpin sementara yang lain memilih pengganti; lalu sambungan dipulihkan.",
        },
        partial_network: Meaning {
            name: "Jaringan sebagian",
            text: "Menyisakan satu jalur bagi pemimpin, ke jembatan yang menjangkau yang lain. Siapa menjangkau mayoritas, memimpin; lalu jalur dipulihkan.",
        },
        restore: Meaning {
            name: "Pulihkan semua",
            text: "Memulai dan melanjutkan setiap node dan memulihkan setiap sambungan.",
        },
        running: |name| format!("{name} …"),
        failed: |name, why| format!("{name}: {why}"),
        step_kill: |node| format!("matikan {node}"),
        step_pause: |node| format!("jeda {node}"),
        step_start: |node| format!("mulai {node}"),
        step_cut: |node| format!("putuskan {node}"),
        step_heal: |node| format!("pulihkan sambungan {node}"),
        step_bridge: |node, bridge| format!("{node} hanya menjangkau {bridge}"),
        step_take: |client, resource| format!("{client} mengambil {resource}"),
        step_want: |client, resource| format!("{client} ingin {resource}"),
        step_silent: |client| format!("{client} menjadi diam"),
        no_leader: "sekarang tidak ada pemimpin",
        not_granted: "kuncinya tidak diberikan",
        nothing_broken: "Semua node berjalan dan semua jalur utuh: tidak ada yang perlu dipulihkan.",
        needs_clients: |count, there| {
            format!("perlu {count} klien: tambahkan {}", count.saturating_sub(there))
        },
        press_again: |key, what| format!("{key} sekali lagi: {what} · Esc: batal"),
    },
    legend: Legend {
        title: "Keterangan",
        shapes: "Bentuk",
        keys: "Tombol",
        follower: "pengikut",
        candidate: "calon: mengajukan diri",
        leader: "pemimpin",
        down: "mati",
        paused: "dijeda",
        deposed: "pemimpin yang sudah digantikan dan belum tahu",
        timer: "pengatur waktu pemilihan: sisanya",
        votes: "suara, dan takik tempat suara menjadi kuorum",
        request_vote: "RequestVote",
        append: "AppendEntries: satu manik tiap entri",
        heartbeat: "detak",
        reply: "jawaban: ya atau tidak",
        client_message: "permintaan kunci dari klien",
        queue_message: "pesan sebuah antrean",
        shard: "shard: busur berwarna pemimpinnya, dengan tandanya",
        shard_lost: "shard tanpa mayoritas",
        ghost: "busur lama sebuah shard, satu bagian per replika; putus-putus: berpindah",
        virtual_nodes: "node maya, token shard",
        delivery: "kiriman: sisa waktu sampai terlihat lagi",
        lost: "hilang di jalan",
        cut: "sambungan yang dipotong",
        impaired: "sambungan yang diperlambat atau kehilangan pesan",
        log: "entri log: ditetapkan, belum, tidak ada",
        lock_exclusive: "pemegang eksklusif, sewa berkurang",
        lock_shared: "pemegang bersama",
        waiter: "penunggu, yang datang dulu dilayani dulu",
        clock_bead: "jam tampilan: satu putaran semenit",
        key_step: "mundur satu fakta, maju satu fakta",
        key_pause: "jeda, lanjut",
        key_marks: "ke peristiwa sebelumnya, ke saat ini",
        key_rates: "1/100×, sutradara, 1×",
        key_layers: "lapisan",
        key_tabs: "kunci, antrean, cache, log, periksa, peristiwa",
        key_node: "pilih node berikut atau sebelumnya",
        key_process: "node terpilih: matikan, mulai, jeda, lanjutkan, jadikan pemimpin",
        key_lock: "ambil, antre, lepas, perpanjang",
        key_queue: "dengan panel antrean: terbitkan, konsumsi, ack, nack",
        key_scenarios: "skenario",
        key_language: "Inggris, Indonesia",
        key_theme: "gelap, terang",
        key_legend: "keterangan ini",
    },
    trouble: Trouble {
        connecting: "Menghubungi node …",
        connecting_hint: "Halaman meminta peristiwa dari setiap node.",
        no_cluster: "Tidak ada node yang menjawab.",
        no_cluster_hint: "Apakah `orrery demo` berjalan? Halaman terus mencoba dan pulih sendiri.",
        no_quorum: |up, all, needed| format!("tanpa kuorum: {up} dari {all} hidup, perlu {needed}"),
        no_leader_yet: "Tidak ada pemimpin: pemilihan segera dimulai.",
        stream_broken: |nodes, _| {
            format!("Peristiwa {nodes} tidak sampai; gambarnya mungkin usang. Mencoba lagi.")
        },
        unreached: |nodes, _, heard| {
            let why =
                if heard { "node lain mendengarnya" } else { "apakah berjalan tidak diketahui di sini" };
            format!("Halaman ini tidak dapat menjangkau peristiwa {nodes}; {why}.")
        },
        past: |time| format!("Anda melihat {time}; yang Anda lakukan terjadi sekarang."),
        differed: |times| {
            format!(
                "{times} kali halaman ini menampilkan hal yang bukan milik sebuah node, lalu mengambil keadaannya."
            )
        },
        served_by_node: "Disajikan oleh node tanpa pengawas: menonton dan mengunci bisa, mematikan dan memulai tidak.",
        unreachable: "Tidak ada jawaban: node tidak terjangkau. Tidak diketahui apakah permintaan dijalankan.",
        unknown_outcome: |key| format!("Ulangi dengan kunci yang sama {key}: hanya berlaku sekali."),
        retry_same_key: "Coba lagi, kunci sama",
        no_node: "Tidak ada node yang terjangkau.",
    },
    answer,
    queue_answer,
    error,
};

fn list(names: &[smol_str::SmolStr]) -> String {
    match names {
        [] => "tidak ada".to_owned(),
        [one] => one.to_string(),
        [first @ .., last] => format!("{} dan {last}", first.join(", ")),
    }
}

fn answer(answer: &LockAnswer) -> String {
    use LockAnswer as A;
    match answer {
        A::Acquired { resource, client, mode, fencing_token, expires_in_ms, reentrant } => {
            let how = if mode.letter() == "X" { "secara eksklusif" } else { "bersama" };
            let left = duration(expires_in_ms * 1_000, Lang::Id);
            if *reentrant {
                format!(
                    "{client} sudah memegang **{resource}** {how}: token sama **{fencing_token}**, sisa {left}."
                )
            } else {
                format!("{client} memegang **{resource}** {how}, token **{fencing_token}**, selama {left}.")
            }
        }
        A::Waiting { resource, client, position } => {
            format!("{client} menunggu **{resource}**, urutan **{position}**.")
        }
        A::Timeout { resource, client, holders } if holders.is_empty() => {
            format!("{client} berhenti menunggu **{resource}**: kini tak ada yang memegangnya.")
        }
        A::Timeout { resource, client, holders } => {
            format!("{client} berhenti menunggu **{resource}**: masih dipegang {}.", list(holders))
        }
        A::Deadlock { resource, cycle, victim, .. } => format!(
            "Kebuntuan: {} menunggu melingkar. **{victim}** ditolak untuk **{resource}**, karena penantiannya termuda.",
            list(cycle)
        ),
        A::Released { resource, client, fencing_token } => {
            format!("{client} melepas **{resource}** (token {fencing_token}).")
        }
        A::Renewed { resource, client, expires_in_ms, .. } => {
            format!(
                "{client} memegang **{resource}** selama {} lagi.",
                duration(expires_in_ms * 1_000, Lang::Id)
            )
        }
        A::Cancelled { resource, client } => format!("{client} tidak lagi menunggu **{resource}**."),
        A::NotHolder { resource, client, holders, .. } if holders.is_empty() => {
            format!("{client} tidak memegang **{resource}**: bebas.")
        }
        A::NotHolder { resource, client, holders, .. } if holders.contains(client) => {
            format!("{client} memegang **{resource}**, tetapi bukan dengan token itu.")
        }
        A::NotHolder { resource, client, holders, .. } => {
            format!("{client} tidak memegang **{resource}**: dipegang {}.", list(holders))
        }
        A::NotWaiting { resource, client } => format!("{client} tidak menunggu **{resource}**."),
    }
}

fn queue_answer(ask: &QueueAsk, answer: &QueueAnswer) -> String {
    let QueueAsk { topic, client, .. } = ask;
    match answer {
        QueueAnswer::Published { id, replicas } => match replicas.len() {
            0 | 1 => format!("**{id}** ada di **{topic}**, di disk."),
            all => format!("**{id}** ada di **{topic}**, di disk {} dari {all} replikanya.", all / 2 + 1),
        },
        QueueAnswer::Delivered(messages) => match messages.as_slice() {
            [] => format!("Tidak ada yang siap untuk {client} di **{topic}**."),
            [one] if one.attempt > 1 => {
                format!("{client} menerima **{}**, percobaan **{}**.", one.id, one.attempt)
            }
            [one] => format!("{client} menerima **{}** dari **{topic}**.", one.id),
            more => format!("{client} menerima **{}** pesan dari **{topic}**.", more.len()),
        },
        QueueAnswer::Settled { id, status } => match status {
            Settlement::Acknowledged => format!("{client} mengakui **{id}**."),
            Settlement::AlreadyAcknowledged => format!("**{id}** sudah diakui sebelumnya."),
            Settlement::Nacked => format!("{client} mengembalikan **{id}**: siap lagi."),
            Settlement::DeadLettered => format!("Itu percobaan terakhir: **{id}** sekarang pesan mati."),
            Settlement::Late => {
                format!("Terlambat: **{id}** sudah terlihat lagi, kiriman ini tidak dihitung lagi.")
            }
            Settlement::Gone => format!("**{id}** pernah ada dan sudah hilang: kedaluwarsa atau dibuang."),
            _ => format!("**{id}** tidak ada pada {client}."),
        },
        QueueAnswer::Redriven(0) => format!("**{topic}** tidak punya pesan mati untuk diantrekan lagi."),
        QueueAnswer::Redriven(count) => format!("**{count}** pesan mati dari **{topic}** menunggu lagi."),
    }
}

fn error(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::BadJson | ErrorCode::BadRequest => "Permintaan tidak dimengerti.",
        ErrorCode::UnsupportedMediaType => "Permintaan harus JSON.",
        ErrorCode::NotFound => "Itu tidak ada.",
        ErrorCode::MethodNotAllowed => "Itu tidak bisa dilakukan di sana.",
        ErrorCode::ForbiddenOrigin => "Alamat halaman ini bukan milik klaster.",
        ErrorCode::TooLarge => "Permintaan terlalu besar.",
        ErrorCode::NotHolder => "Klien itu tidak memegangnya.",
        ErrorCode::WrongVersion => "Sudah diubah oleh yang lain.",
        ErrorCode::Conflict => "Itu tidak cocok dengan keadaan sekarang.",
        ErrorCode::SessionExpired => "Sesi sudah berakhir.",
        ErrorCode::GroupDeleted => "Grup konsumen itu dihapus sementara menunggu.",
        ErrorCode::KeyReused => "Kunci itu dipakai untuk permintaan lain.",
        ErrorCode::KeyTooOld => "Kunci itu terlalu lama untuk dikenali.",
        ErrorCode::TooManyKeys => "Tidak ada lagi kunci yang dapat diingat sekarang.",
        ErrorCode::LimitReached => "Suatu batas tercapai.",
        ErrorCode::Unavailable => "Sekarang tanpa mayoritas atau pemimpin. Tidak ada yang dilakukan.",
        ErrorCode::ShardUnavailable => "Shard ini tanpa mayoritas atau pemimpin. Tidak ada yang dilakukan.",
        ErrorCode::OutcomeUnknown => "Belum ada yang tahu apakah itu dijalankan.",
        ErrorCode::NotReady => "Node sedang mulai atau berhenti.",
        ErrorCode::NotImplemented => "Komputer ini tidak bisa melakukannya.",
        ErrorCode::Internal => "Kesalahan di dalam node.",
    }
}
