// Makes the files of runtime/js builtin modules of Node: `warren` and `warren/config` for programs
// (index.js, config/index.js), and `internal/warren/NAME`, which only they can require.
//
// Node fills its table of builtins when it makes an environment, for the main thread and for each
// Worker, before any JavaScript runs. A libnode whose dependencies are packages of their own
// (Debian's, Fedora's) calls AddExternalizedBuiltin for each of those; the dynamic linker finds
// ours first. So `warren` is there in Workers, in -r and -e and in the REPL too, which boot code in
// JavaScript cannot reach.
#include <fstream>
#include <iterator>
#include <string>
#include <string_view>

#include "engine_builtin.h"

namespace node {
namespace builtins {
// As much of src/node_builtins.h as is called here.
class BuiltinLoader {
  public:
    bool Add(const char *id, std::string_view source);
    __attribute__((visibility("default"))) void AddExternalizedBuiltin(const char *id,
                                                                       const char *path);
};
} // namespace builtins
} // namespace node

namespace {

// Stands before each file, on its first line, so that line numbers in stack traces stay right. Our
// files require './x.js' and 'node:x'; Node's internal require knows plain ids only.
std::string prologue(std::string_view dir) {
    return "'use strict'; require = (internal => id => {"
           " if (id[0] !== '.') return internal(id.replace(/^node:/, ''));"
           " const name = internal('path').posix.join('" +
           std::string(dir) +
           "', id).replace(/\\.js$/, '');"
           " return internal(name === 'index' ? 'warren' : `internal/warren/${name}`) "
           "})(require); ";
}

std::string id_of(std::string_view name) {
    if (name == "index") return "warren";
    if (name == "config/index") return "warren/config";
    return "internal/warren/" + std::string(name);
}

void add_scripts(node::builtins::BuiltinLoader *loader) {
    for (size_t i = 0; i < runtime_script_count; i++) {
        const runtime_script &script = runtime_scripts[i];
        std::string_view name(script.name);
        size_t slash = name.rfind('/');
        std::string source = prologue(slash == name.npos ? "." : name.substr(0, slash));
        source.append(script.text, script.len);
        std::string id = id_of(name);
        loader->Add(id.c_str(), source);
    }
}

} // namespace

void node::builtins::BuiltinLoader::AddExternalizedBuiltin(const char *id, const char *path) {
    // Called several times for each loader; a loader is filled by one thread in one go.
    static thread_local const BuiltinLoader *filled;
    if (filled != this) {
        filled = this;
        add_scripts(this);
    }

    // Where libnode is not installed as a package, its files are below its own root.
    std::string rooted = std::string(WARREN_LIBNODE_ROOT) + path;
    std::ifstream file(rooted, std::ios::binary);
    if (!file) {
        fprintf(stderr, "cannot read %s, a part of Node.js: is libnode installed completely?\n",
                rooted.c_str());
        exit(70);
    }
    std::string source{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
    Add(id, source);
}
