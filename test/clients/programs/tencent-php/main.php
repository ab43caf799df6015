<?php

// A client after Tencent's published PHP sample, key pair: Date and Source signed with hmac-sha1, sent by curl.

declare(strict_types=1);

function sign(string $keyId, string $secret, string $date, string $source): string
{
    $signature = base64_encode(hash_hmac('sha1', "date: $date\nsource: $source", $secret, true));

    return "hmac id=\"$keyId\", algorithm=\"hmac-sha1\", headers=\"date source\", signature=\"$signature\"";
}

function prepare(array $job, array $case): CurlHandle
{
    $date = gmdate('D, d M Y H:i:s') . ' GMT';
    $source = 'watermark';
    $headers = [
        'Accept: text/html, */*; q=0.01',
        "Source: $source",
        "Date: $date",
        'Authorization: ' . sign($job['keyId'], $job['secret'], $date, $source),
        'Expect:',
    ];
    if (isset($case['contentType'])) {
        $headers[] = "Content-Type: {$case['contentType']}";
    }
    foreach ($case['headers'] ?? [] as $name => $value) {
        $headers[] = "$name: $value";
    }
    $path = implode('/', array_map('rawurlencode', explode('/', $case['path'])));
    $query = implode('&', array_map(fn (array $pair) => rawurlencode($pair[0]) . '=' . rawurlencode($pair[1]), $case['query']));
    $request = curl_init($job['endpoint'] . $path . ($query === '' ? '' : "?$query"));
    curl_setopt_array($request, [
        CURLOPT_CUSTOMREQUEST => $case['method'],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 30,
    ]);
    $body = null;
    if (array_key_exists('json', $case)) {
        $body = json_encode($case['json']);
    } elseif (isset($case['bodyBase64'])) {
        $body = base64_decode($case['bodyBase64']);
    } elseif ($case['method'] !== 'GET') {
        $body = '';
        $headers[] = 'Content-Type:'; // curl would call an empty body a form
    }
    if ($body !== null) {
        curl_setopt($request, CURLOPT_POSTFIELDS, $body);
    }
    curl_setopt($request, CURLOPT_HTTPHEADER, $headers);

    return $request;
}

function status(CurlHandle $request): int
{
    return curl_getinfo($request, CURLINFO_RESPONSE_CODE);
}

function burst(array $job, array $burst): array
{
    $multi = curl_multi_init();
    $waiting = $burst['cases'];
    $running = 0;
    $statuses = [];
    while ($running > 0 || $waiting !== []) {
        for (; $running < $burst['senders'] && $waiting !== []; $running++) {
            curl_multi_add_handle($multi, prepare($job, array_shift($waiting)));
        }
        curl_multi_exec($multi, $active);
        curl_multi_select($multi, 0.01);
        while ($done = curl_multi_info_read($multi)) {
            $statuses[] = status($done['handle']);
            curl_multi_remove_handle($multi, $done['handle']);
            $running--;
        }
    }

    return $statuses;
}

$job = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
foreach ($job['cases'] as $case) {
    $request = prepare($job, $case);
    $sent = curl_exec($request) !== false;
    echo json_encode(['name' => $case['name']] + ($sent ? ['status' => status($request)] : ['error' => curl_error($request)])), "\n";
}
if (isset($job['burst'])) {
    $started = hrtime(true);
    $statuses = burst($job, $job['burst']);
    echo json_encode(['name' => 'burst', 'statuses' => $statuses, 'elapsedMs' => (hrtime(true) - $started) / 1e6]), "\n";
}
