# Signs requests as Chef itself does. Standard input: JSON {"key": PEM, "requests": [{version, method, path, body,
# timestamp, userId, apiVersion}]}. Standard output: JSON, the headers of each.
require 'openssl'
require 'json'
require 'mixlib/authentication/signedheaderauth'

input = JSON.parse($stdin.read)
key = OpenSSL::PKey::RSA.new(input['key'])
headers = input['requests'].map do |request|
  Mixlib::Authentication::SignedHeaderAuth.signing_object(
    http_method: request['method'].downcase.to_sym,
    path: request['path'],
    body: request['body'],
    timestamp: request['timestamp'],
    user_id: request['userId'],
    proto_version: request['version'],
    headers: { 'X-Ops-Server-API-Version' => request['apiVersion'] }
  ).sign(key)
end
puts JSON.generate(headers)
